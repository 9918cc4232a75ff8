import { ModelSealError, shown } from '../errors.ts'
import { didYouMean } from '../nearest.ts'
import { NAMED_KINDS } from './kinds/named-kinds.ts'

/** URI with a scheme. */
export function isUri(text: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\S+$/i.test(text)
}

/** Whether a text can be the type of attestations: the name of a kind, or the URI of a predicate type. */
export function isTypeName(type: string): boolean {
  return isUri(type) || NAMED_KINDS.some(({ name }) => name === type)
}

/** @param cannot what is refused, such as `Cannot attest the model` */
export function unknownType(cannot: string, type: string): ModelSealError {
  const names = NAMED_KINDS.map(({ name }) => name)
  return new ModelSealError('INVALID_ARGUMENT', `${cannot}: ${shown(type)} is not a known type.`, {
    expected: `${names.join(', ')}, or the URI of a predicate type`,
    hint: didYouMean(type, names).trim() || undefined,
  })
}
