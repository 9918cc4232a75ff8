import { kindOfStatement, readPredicate } from '../../attestation/kinds/kinds.ts'
import type { ModelSubject } from '../../attestation/statement.ts'
import type { FoundBundle } from '../../bundle/bundle.ts'
import { ModelSealError } from '../../errors.ts'
import type { AttestationVerdict, CheckVerdict } from '../../results.ts'
import { withoutPrototype } from '../../snapshot.ts'
import { Effort, passAbort } from '../../verification/effort.ts'
import { identifyEnvelope } from '../identify.ts'
import type { IdentifiedEnvelope } from '../methods/method.ts'
import type { Occasion } from '../occasion.ts'
import type { PolicyFacts } from '../policy-facts.ts'
import { validityFailure } from '../requirements/key-validity.ts'
import { countDistinctSigners, type NamedSigner } from '../requirements/distinct-signers.ts'
import { REVOKED_CODES } from '../revocations/codes.ts'
import { revokedSignature } from '../revocations/revoked-signature.ts'
import { before } from '../schema/duration.ts'
import { isoTime } from '../signature-time.ts'
import { signerNames } from '../signer-names.ts'
import type { ReadAttestation } from './condition.ts'
import {
  distinct,
  readUnverified,
  statementOf,
  type ReadableAttestation,
  type UnverifiedAttestation,
} from './unverified-attestation.ts'
import { aboutAttestation, notTrusted, unsatisfied } from './refusals.ts'
import { demandWords, type AttestationDemand } from './demand.ts'

/** The attestations of a model, judged by a rule. */
export interface JudgedAttestations {
  checks: CheckVerdict[]
  attestations: AttestationVerdict[]
  /** Those that satisfy something that the rule requires. */
  believed: readonly BelievedAttestation[]
  refusal: ModelSealError | undefined
}

/** An attestation that satisfies what a rule requires. */
export interface BelievedAttestation extends ReadAttestation {
  verdict: AttestationVerdict
}

interface Grounds {
  model: ModelSubject
  /** Name of the rule. */
  rule: string
  policy: PolicyFacts
}

/**
 * Judges what was attested about a model by what a rule requires. An attestation that is missing, unreadable or not believed may refuse the
 * model; one that no rule asks for changes nothing.
 *
 * @param demands at least one
 * @throws {@link ModelSealError} `ABORTED`
 */
export async function judgeAttestations(
  found: readonly FoundBundle[],
  demands: readonly AttestationDemand[],
  { now, signal, ...given }: Grounds & { now: number; signal: AbortSignal | undefined },
): Promise<JudgedAttestations> {
  const grounds = { ...given, occasion: { now, effort: new Effort(signal, MAX_SIGNATURE_CHECKS) } }
  const read: UnverifiedAttestation[] = []
  for (const one of distinct(found)) read.push(await readUnverified(one, grounds.model, grounds.occasion.effort))
  const checks: CheckVerdict[] = []
  const believed = new Map<AttestationVerdict, BelievedAttestation>()
  let refusal: ModelSealError | undefined
  for (const demand of demands) {
    const { accepted, ...failed } = await satisfying(read, demand, grounds)
    const count = countDistinctSigners(accepted.map(({ signature }) => signature))
    if (count < demand.threshold) {
      const failure = unsatisfied(demand, { count, ...failed }, grounds.rule)
      // They are valid, but too few.
      for (const { verdict } of accepted) verdict.reason ??= failure.toJSON()
      checks.push({ check: 'attestations', outcome: 'failed', reason: failure.message, code: failure.code })
      refusal ??= failure
      continue
    }
    const by = [...new Set(accepted.map(({ verdict }) => verdict.signer?.description ?? ''))].join(', ')
    const passed = `There is ${demandWords(demand)} as required, signed by ${by}.`
    checks.push({ check: 'attestations', outcome: 'passed', reason: passed })
    for (const { verdict, content } of accepted) {
      // A rule can require several of one type, and one attestation can be all of them.
      verdict.satisfies = [...new Set([...(verdict.satisfies ?? []), demand.type])]
      believed.set(verdict, { ...content, verdict })
    }
  }
  const attestations = read.map(({ verdict }) => verdict)
  return { checks, attestations, believed: refusal ? [] : [...believed.values()], refusal }
}

/** For all attestations of a model that need more checks than each has of its own. */
const MAX_SIGNATURE_CHECKS = 2_048

interface Judged extends Grounds {
  occasion: Occasion
}

interface AcceptedAttestation {
  signature: NamedSigner
  content: ReadAttestation
  verdict: AttestationVerdict
}

/** The attestations that satisfy a demand, and the most helpful reason why one does not, with the number of others that do not. */
async function satisfying(found: readonly UnverifiedAttestation[], demand: AttestationDemand, grounds: Judged) {
  const accepted: AcceptedAttestation[] = []
  let reason: ModelSealError | undefined
  let reached = -1
  let failed = 0
  for (const { verdict, bundle, fault } of found) {
    if (fault && mayConcern(demand, verdict, fault)) {
      failed++
      reason ??= fault
    }
    if (!bundle || !isOfType(demand, verdict)) continue
    const progress = { stage: 0 }
    try {
      const occasion = { ...grounds.occasion, effort: grounds.occasion.effort.forOne() }
      accepted.push(await judgeAttestation({ verdict, bundle }, demand, { ...grounds, occasion, progress }))
    } catch (error) {
      passAbort(error)
      if (!(error instanceof ModelSealError)) throw error
      const failure = aboutAttestation(error)
      failed++
      verdict.reason ??= failure.toJSON()
      const isRevoked = REVOKED_CODES.has(failure.code)
      const stage = isRevoked ? Infinity : progress.stage
      if (stage > reached) [reason, reached] = [failure, stage]
    }
  }
  return { accepted, reason, others: Math.max(0, failed - 1) }
}

/** Whether an attestation has the type that is demanded. */
function isOfType({ type, kind }: AttestationDemand, found: AttestationVerdict): boolean {
  return kind ? found.kind === kind.name : found.type === type
}

/** Whether a fault explains why a demand is not satisfied: an attestation of that type about another model, or files that were not read. */
function mayConcern(demand: AttestationDemand, found: AttestationVerdict, { code }: ModelSealError): boolean {
  if (code === 'ATTESTATION_SUBJECT') return isOfType(demand, found)
  return code === 'ATTESTATIONS_TOO_LARGE' || code.startsWith('FILE_')
}

/** @throws {@link ModelSealError} why the attestation does not satisfy the demand */
async function judgeAttestation(
  { verdict, bundle }: ReadableAttestation,
  demand: AttestationDemand,
  { rule, policy, occasion, progress }: Judged & { progress: { stage: number } },
): Promise<AcceptedAttestation> {
  const file = bundle.path
  const wanted = { signers: demand.signers, notTrusted: (found: string) => notTrusted(demand, rule, { file, found }) }
  await occasion.effort.signatures()
  const identified = await identifyEnvelope(
    withoutPrototype({ ...bundle, isAttestation: true }),
    wanted,
    policy,
    occasion,
  )
  const { signature } = identified
  verdict.signer = signature.signer
  if (signature.time) verdict.time = signature.time
  progress.stage = 1
  const revoked =
    (await revokedSignature(bundle, signature, policy.revocations, occasion.effort.signal)) ??
    policy.revocations.attestation(verdict.digest ?? '', file)
  if (revoked) throw revoked
  checkKeyValidity(identified, { now: occasion.now, file })
  const statement = await statementOf(bundle, occasion.effort)
  const kind = kindOfStatement(statement)
  const content: ReadAttestation = { statement, kind, predicate: kind && readPredicate(kind, statement, file) }
  progress.stage = 2
  checkAge(content, demand, { now: occasion.now, file })
  progress.stage = 3
  checkResult(content, demand, { file, signer: signature.signer.name })
  for (const condition of demand.conditions) {
    const found = condition.unmet(content)
    if (found === undefined) continue
    throw new ModelSealError('ATTESTATION_CONDITION', 'Cannot use the attestation: it does not meet a condition.', {
      file,
      signer: signature.signer.name,
      expected: condition.written,
      found,
    })
  }
  return { signature: { ...identified, names: await signerNames(signature.signer, bundle) }, content, verdict }
}

/** The trust root states when its keys are valid, so it holds for whatever they sign. */
function checkKeyValidity(
  { signature, validities }: IdentifiedEnvelope,
  { now, file }: { now: number; file: string | undefined },
): void {
  const failure = validityFailure({ signature, validities, now })
  if (!failure) return
  const { code, message, expected, found } = failure
  throw new ModelSealError(code, message, { file, signer: signature.signer.name, expected, found })
}

/** An attestation that was made in the future, as it says, proves nothing about its age. */
function checkAge(
  { kind, predicate }: ReadAttestation,
  { maxAge }: AttestationDemand,
  { now, file }: { now: number; file: string | undefined },
): void {
  if (!maxAge) return
  const stated = kind?.statedAt(predicate)
  const at = stated === undefined ? NaN : Date.parse(stated)
  if (at <= now && at >= before(now, maxAge.duration)) return
  throw new ModelSealError('ATTESTATION_TOO_OLD', 'Cannot use the attestation: it is not recent enough.', {
    file,
    expected: `a time at most ${maxAge.written} ago`,
    found: Number.isNaN(at) ? 'no time' : at > now ? `${isoTime(at)}, which is in the future` : isoTime(at),
  })
}

/** A statement that the model failed must not be what makes it acceptable, unless the rule says what it wants of the result. */
function checkResult(
  { kind, predicate }: ReadAttestation,
  { conditions }: AttestationDemand,
  { file, signer }: { file: string | undefined; signer: string | undefined },
): void {
  if (kind?.hasFailed?.(predicate) !== true || conditions.some(({ field }) => field === 'result')) return
  throw new ModelSealError(
    'ATTESTATION_RESULT_FAILED',
    'Cannot use the attestation: it states that the model failed, and no condition of the rule is about the result.',
    { file, signer, expected: 'PASSED or WARNED', found: 'the result FAILED' },
  )
}
