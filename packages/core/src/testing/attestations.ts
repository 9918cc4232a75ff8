import { join } from 'node:path'
import { makeEvaluation } from '../attestation/kinds/evaluation.ts'
import { writeAttestation } from '../attestation/statement.ts'
import { parseBundle, type FoundBundle, type UnverifiedBundle } from '../bundle/bundle.ts'
import { ModelSealError, type ErrorCode } from '../errors.ts'
import { judgeAttestations } from '../policy/attestations/judge-attestations.ts'
import { loadValidPolicy } from '../policy/load-policy.ts'
import { bundleOver, encoded, keyPair, type KeyPair } from './bundles.ts'
import { pem } from './feeds.ts'
import { scratch } from './scratch.ts'

// Attestations of a model that does not exist, judged by a policy.

export const [lab, lab2, mallory] = [keyPair(), keyPair(), keyPair()]
export const ROOT = 'a'.repeat(64)
export const MODEL = { rootDigest: ROOT, identity: 'i' }
export const REVIEW = 'https://example.org/review/v1'
export const TEST_RESULT = 'https://in-toto.io/attestation/test-result/v0.1'
/** When they are judged. */
const NOW = Date.parse('2026-11-10T00:00:00Z')
/** Demands an evaluation by `lab`. */
export const LAB = { type: 'evaluation', signers: [{ key: 'lab' }] }

export const evaluated = (value = 0.94, evaluatedOn = '2026-11-09T00:00:00Z') =>
  makeEvaluation({ results: [{ metric: 'accuracy', value }], evaluatedOn })
/** A statement about the model. */
export const payloadOf = (predicate: object, type = TEST_RESULT, model = MODEL) =>
  encoded(writeAttestation({ name: 'vad', ...model }, type, predicate))

let count = 0
/** An attestation with a valid signature, in a file of its own. */
export function attestation(
  payload = payloadOf(evaluated()),
  by: KeyPair = lab,
): { path: string; bundle: UnverifiedBundle } {
  const path = `${++count}.json`
  return { path, bundle: parseBundle(bundleOver(payload, by), path) }
}
export const unreadable = (code: ErrorCode = 'FILE_UNREADABLE'): FoundBundle => ({
  path: 'x',
  error: new ModelSealError(code, 'Cannot read it.', { file: 'x' }),
})

/** Judges attestations by a rule that demands some. @param more fields of the policy */
export async function judge(found: FoundBundle[], attestations: object[], more: object = {}) {
  const content = {
    version: 1,
    trustRoots: { lab: { publicKey: 'lab.pub' }, lab2: { publicKey: 'lab2.pub' } },
    rules: [{ name: 'voices', match: { path: '**' }, signers: [{ key: 'lab2' }], require: { attestations } }],
    ...more,
  }
  const files = { 'policy.json': JSON.stringify(content), 'lab.pub': pem(lab), 'lab2.pub': pem(lab2) }
  const policy = await loadValidPolicy(join(scratch(files), 'policy.json'))
  const demands = policy.rules.flatMap((rule) => rule.attestations)
  return judgeAttestations(found, demands, {
    model: MODEL,
    rule: 'voices',
    policy,
    now: NOW,
    signal: undefined,
  })
}
