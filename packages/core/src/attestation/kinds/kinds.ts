import { parsedWithoutPrototypes } from '../../snapshot.ts'
import { cannotMake } from '../input.ts'
import type { AttestationStatement } from '../statement.ts'
import { dataCard } from './data-card.ts'
import { evaluation } from './evaluation.ts'
import { modelCard } from './model-card.ts'
import { provenance } from './provenance.ts'
import { verificationSummary } from './verification-summary.ts'
import { faultsIn, type AttestationFile, type AttestationKind } from './kind.ts'

/** All kinds of attestations whose content is understood. */
export const KINDS: readonly AttestationKind[] = [evaluation, modelCard, dataCard, provenance, verificationSummary]

/** The kind of a statement; undefined for a type that is not known. */
export function kindOfStatement({ predicateType, predicate }: AttestationStatement): AttestationKind | undefined {
  return KINDS.find((kind) => kind.types.includes(predicateType) && (kind.isOne?.(predicate) ?? true))
}

/** @param name as in a policy or on the command line */
export function kindNamed(name: string): AttestationKind | undefined {
  return KINDS.find((kind) => kind.name === name)
}

/** Reads the predicate of a statement of a known kind. */
export function readPredicate(kind: AttestationKind, { predicate }: AttestationStatement, file?: string): unknown {
  return kind.read(predicate, faultsIn('ATTESTATION_MALFORMED', `Cannot read ${kind.what}`, file))
}

/**
 * Makes the predicate of a known kind from a file, and reads it back.
 *
 * @throws {@link ModelSealError} `ATTESTATION_INPUT`, `JSON_*`, `CYCLONEDX_UNAVAILABLE`
 */
export async function makePredicate(kind: AttestationKind, source: AttestationFile): Promise<object> {
  const predicate = parsedWithoutPrototypes(await kind.make(source)) as Readonly<Record<string, unknown>>
  const fault = faultsIn('ATTESTATION_INPUT', cannotMake(kind.what, source.file), source.file)
  if (kind.isOne?.(predicate) === false) throw fault('', kind.what, 'a document about something else')
  const stated = kind.statedAt(kind.read(predicate, fault))
  if (stated !== undefined && Date.parse(stated) > Date.now())
    throw fault('', 'a time that is not in the future', stated)
  return predicate
}
