import { kindOfStatement } from '../../attestation/kinds/kinds.ts'
import {
  attestationDigest,
  attestationSteps,
  isAbout,
  type AttestationStatement,
  type ModelSubject,
} from '../../attestation/statement.ts'
import type { FoundBundle, UnverifiedBundle } from '../../bundle/bundle.ts'
import { ModelSealError, shown } from '../../errors.ts'
import type { AttestationVerdict } from '../../results.ts'
import { inTurns } from '../../source/turns.ts'
import { aboutAttestation } from './refusals.ts'
import { passAbort, type Effort } from '../../verification/effort.ts'

/** Anybody can copy an attestation. A copy would count no more than the original, but would have to be verified. */
export function distinct(attestations: readonly FoundBundle[]): FoundBundle[] {
  const seen = new Set<string>()
  return attestations.filter((found) => {
    if ('error' in found) return true
    // Of the whole bundle: one with the same signature that names another signer, or lacks a timestamp, must not take its place.
    const { digest } = found.bundle
    return !seen.has(digest) && seen.add(digest).size > 0
  })
}

/** An attestation before its signature is verified. */
export interface UnverifiedAttestation {
  verdict: AttestationVerdict
  bundle?: UnverifiedBundle
  /** Why it is of no use, whatever the rule requires. */
  fault?: ModelSealError
}

/** One that is about the model. */
export type ReadableAttestation = Required<Omit<UnverifiedAttestation, 'fault'>>

/**
 * Its statement is parsed before its signature is verified, which decides only whether it is verified at all. It is not kept: those that
 * anybody can write take gigabytes of memory when parsed.
 */
export async function readUnverified(
  found: FoundBundle,
  model: ModelSubject,
  effort: Effort,
): Promise<UnverifiedAttestation> {
  const verdict: AttestationVerdict = { path: found.path }
  try {
    await effort.turn()
    if ('error' in found) throw found.error
    const { bundle } = found
    const { payload } = bundle.envelope
    verdict.digest = attestationDigest(payload)
    const statement = await inTurns(attestationSteps(payload, found.path), effort.signal)
    verdict.type = statement.predicateType
    const kind = kindOfStatement(statement)
    if (kind) verdict.kind = kind.name
    if (!isAbout(statement, model)) throw ofAnotherModel(statement, model.rootDigest, found.path)
    return { verdict, bundle }
  } catch (error) {
    passAbort(error)
    if (!(error instanceof ModelSealError)) throw error
    const fault = aboutAttestation(error)
    verdict.reason = fault.toJSON()
    return { verdict, fault }
  }
}

/** The statement of an attestation whose signature was verified. */
export function statementOf({ envelope, path }: UnverifiedBundle, { signal }: Effort): Promise<AttestationStatement> {
  return inTurns(attestationSteps(envelope.payload, path), signal)
}

function ofAnotherModel({ subjects }: AttestationStatement, rootDigest: string, file: string): ModelSealError {
  const [first] = subjects
  return new ModelSealError('ATTESTATION_SUBJECT', 'Cannot use the attestation: it is about another model.', {
    file,
    expected: `the root digest sha256:${rootDigest}`,
    found:
      first?.digest['sha256'] === rootDigest
        ? 'the same root digest over files with other names'
        : subjectWords(first?.digest['sha256'], first?.name),
  })
}

/** @param digest what the statement says is the root digest */
function subjectWords(digest: string | undefined, name: string | undefined): string {
  if (digest === undefined) return shown(name ?? '')
  return /^[0-9a-f]{64}$/.test(digest) ? `the root digest sha256:${digest}` : shown(digest)
}
