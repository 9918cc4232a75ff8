import type { FoundBundle } from '../bundle/bundle.ts'
import { ModelSealError, shown } from '../errors.ts'
import { modelIdentity } from '../manifest/identity.ts'
import { Effort, passAbort } from '../verification/effort.ts'
import type { VerifiedSignature } from '../verification/verified-signature.ts'
import { countDistinctSigners, type NamedSigner } from './requirements/distinct-signers.ts'
import { identifySigner } from './identify.ts'
import type { IdentifiedSignature } from './methods/method.ts'
import type { Occasion } from './occasion.ts'
import type { CompiledPolicy } from './policy.ts'
import { checkDemands } from './requirements/check-demands.ts'
import { REVOKED_CODES } from './revocations/codes.ts'
import { revokedModel } from './revocations/revoked-signature.ts'
import type { Rule } from './rule.ts'
import { signerNames } from './signer-names.ts'
import type { BundleVerdict, CheckVerdict } from '../results.ts'
import { withoutPrototype } from '../snapshot.ts'

/** How a rule judges the bundles of a model, before any file is hashed. */
export interface Judgement {
  checks: CheckVerdict[]
  bundles: BundleVerdict[]
  /** The signature whose manifest the model must match, if enough signatures count; otherwise why they do not. */
  outcome: { signature: VerifiedSignature } | { refusal: ModelSealError }
}

/**
 * Judges every bundle of a model by a rule: verifies its signature, looks for revocations, checks
 * what the rule requires; then counts distinct signers of the same model. Each bundle has a few signature checks of its own, and
 * all share a budget of further ones.
 *
 * @param now milliseconds since 1970
 * @throws {@link ModelSealError} `ABORTED`
 */
export async function judge(
  candidates: readonly FoundBundle[],
  rule: Rule,
  policy: CompiledPolicy,
  { now, signal }: { now: number; signal?: AbortSignal | undefined },
): Promise<Judgement> {
  const occasion: Occasion = { now, effort: new Effort(signal) }
  const grounds: Grounds = { rule, policy, occasion }
  const judgement: Omit<Judgement, 'outcome'> = { checks: [], bundles: [] }
  const accepted: Accepted[] = []
  let refusal: ModelSealError | undefined
  for (const candidate of candidates) {
    const verdict: BundleVerdict = { path: candidate.path, counted: false }
    judgement.bundles.push(verdict)
    try {
      await occasion.effort.turn()
      const own = { ...grounds, occasion: { now, effort: occasion.effort.forOne() } }
      const signed = await judgeBundle(candidate, own, { verdict, checks: judgement.checks })
      accepted.push({ ...signed, verdict })
    } catch (error) {
      passAbort(error)
      if (!(error instanceof ModelSealError)) throw error
      verdict.reason = error.toJSON()
      // A revocation is reported before any other problem: it applies in every mode.
      if (!refusal || (REVOKED_CODES.has(error.code) && !REVOKED_CODES.has(refusal.code))) refusal = error
    }
  }
  const enough = enoughSigners(accepted, rule)
  judgement.checks.push(thresholdCheck(enough, rule))
  for (const signature of accepted) recordCount(signature.verdict, signature, enough, rule)
  const [first] = enough.group
  if (enough.reached && first) return { ...judgement, outcome: withoutPrototype({ signature: first.signature }) }
  if (accepted.length > 0 && !(refusal && REVOKED_CODES.has(refusal.code))) refusal = tooFew(enough, rule)
  refusal ??= new ModelSealError('BUNDLE_NOT_FOUND', 'The model has no signature bundle.')
  return { ...judgement, outcome: withoutPrototype({ refusal }) }
}

interface CountedSignature extends IdentifiedSignature, NamedSigner {}

interface Accepted extends CountedSignature {
  verdict: BundleVerdict
}

/** What all bundles of a model are judged by. */
interface Grounds {
  rule: Rule
  policy: CompiledPolicy
  occasion: Occasion
}

/** Where the findings on one bundle go. */
interface Findings {
  verdict: BundleVerdict
  /** The checks of all bundles. */
  checks: CheckVerdict[]
}

/** @throws {@link ModelSealError} why the bundle does not count */
async function judgeBundle(
  candidate: FoundBundle,
  { rule, policy, occasion }: Grounds,
  { verdict, checks }: Findings,
): Promise<CountedSignature> {
  const check = (name: CheckVerdict['check'], passed: string, failure: ModelSealError | undefined) => {
    checks.push({
      check: name,
      ...(failure
        ? { outcome: 'failed', reason: failure.message, code: failure.code }
        : { outcome: 'passed', reason: passed }),
      bundle: candidate.path,
    })
    if (failure) throw failure
  }
  try {
    if ('error' in candidate) throw candidate.error
    const identified = await identifySigner(candidate.bundle, rule, policy, occasion)
    const { signature } = identified
    verdict.signer = signature.signer
    if (signature.time) verdict.time = signature.time
    if (signature.logEntry) verdict.logEntry = signature.logEntry
    const { description, name: root } = signature.signer
    check('signature', `The signature by ${description} is valid under the trust root ${shown(root)}.`, undefined)

    const revoked = await revokedModel(candidate.bundle, signature, policy.revocations, occasion.effort.signal)
    check('revocation', 'Neither the signer nor the model is revoked.', revoked)
    const { now, effort } = occasion
    const evidence = { ...identified, rule: rule.name, now, policy, signal: effort.signal }
    for await (const { check: name, passed, failure } of checkDemands(rule.demands, evidence, candidate.path))
      check(name, passed, failure)
    return { ...identified, names: await signerNames(signature.signer, candidate.bundle) }
  } catch (error) {
    if (!verdict.signer && error instanceof ModelSealError) check('signature', '', error)
    throw error
  }
}

interface Enough {
  group: readonly Accepted[]
  count: number
  reached: boolean
}

/** The first group of signatures over the same model that reaches the threshold, in the order of the bundles; if none does, the largest. */
function enoughSigners(accepted: readonly Accepted[], { threshold }: Rule): Enough {
  const groups = new Map<string, Accepted[]>()
  for (const signature of accepted) {
    const identity = modelIdentity(signature.signature.manifest)
    const group = groups.get(identity)
    if (group) group.push(signature)
    else groups.set(identity, [signature])
  }
  let best: Enough = { group: [], count: 0, reached: false }
  for (const group of groups.values()) {
    const count = countDistinctSigners(group)
    if (count >= threshold) return { group, count, reached: true }
    if (count > best.count) best = { group, count, reached: false }
  }
  return best
}

/** Records whether the decision depends on an accepted signature, or why it does not. */
function recordCount(verdict: BundleVerdict, { signature }: Accepted, enough: Enough, rule: Rule): void {
  const among = enough.group.some((other) => other.verdict === verdict)
  if (among && enough.reached) {
    verdict.counted = true
    return
  }
  const [first] = enough.group
  verdict.reason = (among || !first ? tooFew(enough, rule) : ofAnotherModel(verdict.path, signature, first)).toJSON()
}

function ofAnotherModel(file: string, { manifest }: VerifiedSignature, first: Accepted): ModelSealError {
  const other = first.signature.manifest
  return new ModelSealError(
    'SIGNATURE_THRESHOLD',
    `The bundle ${shown(file)} is for a different model than the bundle ${shown(first.verdict.path)}.`,
    manifest.rootDigest === other.rootDigest
      ? { file, found: 'the same root digest over different file names, or made in a different way' }
      : { file, expected: `the root digest sha256:${other.rootDigest}`, found: `sha256:${manifest.rootDigest}` },
  )
}

function thresholdCheck(enough: Enough, rule: Rule): CheckVerdict {
  const reason = `Distinct signers of the rule that signed the model: ${enough.count}. Required: ${rule.threshold}.`
  if (enough.reached) return { check: 'threshold', outcome: 'passed', reason }
  return {
    check: 'threshold',
    outcome: 'failed',
    reason,
    code: enough.count > 0 ? 'SIGNATURE_THRESHOLD' : 'SIGNER_NOT_TRUSTED',
  }
}

function tooFew({ count, group }: Enough, rule: Rule): ModelSealError {
  return new ModelSealError('SIGNATURE_THRESHOLD', 'Too few distinct signers signed the model.', {
    file: group[0]?.verdict.path,
    expected: `${rule.threshold} of the signers of the rule ${shown(rule.name)}, over the same root digest`,
    found: `${count}`,
    hint: 'Have the model signed by more signers. Several signatures by one signer count once.',
  })
}
