import { kindNamed } from './kinds/kinds.ts'
import { isUri, unknownType } from './type-name.ts'

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
  throw unknownType('Cannot attest the model', type)
}
