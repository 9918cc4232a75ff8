import { createHash } from 'node:crypto'
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
    const { payload, signature } = found.bundle.envelope
    const key = createHash('sha256').update(payload).update(signature).digest('base64')
    return !seen.has(key) && seen.add(key).size > 0
  })
}

/** An attestation before its signature is verified. */
export interface UnverifiedAttestation {
  verdict: AttestationVerdict
  bundle?: UnverifiedBundle
  statement?: AttestationStatement
  /** Why it is of no use, whatever the rule requires. */
  fault?: ModelSealError
}

/** One that is about the model. */
export type ReadableAttestation = Required<Omit<UnverifiedAttestation, 'fault'>>

/** Its statement is parsed before its signature is verified, which decides only whether it is verified at all. */
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
    return { verdict, bundle, statement }
  } catch (error) {
    passAbort(error)
    if (!(error instanceof ModelSealError)) throw error
    const fault = aboutAttestation(error)
    verdict.reason = fault.toJSON()
    return { verdict, fault }
  }
}

function ofAnotherModel({ subjects }: AttestationStatement, rootDigest: string, file: string): ModelSealError {
  const [first] = subjects
  return new ModelSealError('ATTESTATION_SUBJECT', 'Cannot use the attestation: it is about another model.', {
    file,
    expected: `the root digest sha256:${rootDigest}`,
    found:
      first?.digest['sha256'] === rootDigest
        ? 'the same root digest over files with other names'
        : shown(first?.digest['sha256'] ?? first?.name ?? ''),
  })
}
