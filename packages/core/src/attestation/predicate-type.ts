import { ModelSealError, shown } from '../errors.ts'
import { didYouMean } from '../nearest.ts'
import { kindNamed, KINDS } from './kinds/kinds.ts'
import { isUri } from './kinds/values.ts'

/**
 * The URI of the predicate type that attestations of a type are written with.
 *
 * @param type a kind, such as `evaluation`, or a URI, which is returned
 * @throws {@link ModelSealError} `INVALID_ARGUMENT`
 * @example
 * ```ts
 * predicateTypeOf('provenance') // 'https://slsa.dev/provenance/v1'
 * ```
 */
export function predicateTypeOf(type: string): string {
  const kind = kindNamed(type)
  if (kind) return kind.types[0]
  if (isUri(type)) return type
  const names = KINDS.map(({ name }) => name)
  throw new ModelSealError('INVALID_ARGUMENT', `Cannot attest the model: ${shown(type)} is not a known type.`, {
    expected: `${names.join(', ')}, or the URI of a predicate type`,
    hint: didYouMean(type, names).trim() || undefined,
  })
}
