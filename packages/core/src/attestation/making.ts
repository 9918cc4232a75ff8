import { ModelSealError, shown } from '../errors.ts'
import { cannotMake, readAttestationInput } from './input.ts'
import type { AttestationFile } from './kinds/kind.ts'
import { kindNamed, KINDS, makePredicate } from './kinds/kinds.ts'
import { predicateTypeOf } from './predicate-type.ts'

/** The names of the kinds of attestations whose content is understood. */
export function attestationKinds(): string[] {
  return KINDS.map(({ name }) => name)
}

/**
 * Makes the predicate of an attestation from a file: for an evaluation, its results as JSON; for a model card or data card, a `README.md`
 * of Hugging Face or a CycloneDX document; for other types, the predicate itself as JSON.
 *
 * @param type a kind, such as `evaluation`, or the URI of a predicate type
 * @throws {@link ModelSealError} `ATTESTATION_INPUT`, `JSON_*`, `CYCLONEDX_UNAVAILABLE`, `INVALID_ARGUMENT` for a type that is neither
 * @example
 * ```ts
 * const file = await readAttestationFile('models/vad/README.md')
 * const predicate = await makeAttestation('model-card', { ...file, name: 'vad' })
 * ```
 */
export async function makeAttestation(type: string, source: AttestationFile): Promise<object> {
  const kind = kindNamed(type)
  if (kind) return makePredicate(kind, source)
  predicateTypeOf(type)
  const { bytes, file } = source
  const predicate = readAttestationInput(bytes, file)
  if (typeof predicate === 'object' && predicate !== null && !Array.isArray(predicate)) return predicate
  throw new ModelSealError(
    'ATTESTATION_INPUT',
    `${cannotMake(`an attestation of the type ${shown(type)}`, file)}: its content is not an object.`,
    {
      file,
      expected: 'a JSON object',
    },
  )
}
