import { haveModel, type ModelSubject } from '../../attestation/statement.ts'
import type { Verdict } from '../../results.ts'
import { findContradictions, type Contradiction } from './contradictions.ts'
import type { InspectedModel } from './inspect-model.ts'
import { lineageTree, type LineageNode } from './lineage-tree.ts'
import type { InspectedAttestation } from './read-attestations.ts'
import type { Belief, WeighedAttestation } from './weighed-attestation.ts'

/** What was attested about a model. */
export interface WeighedAttestations {
  /** What is believed comes first, then what is verified. */
  attestations: readonly WeighedAttestation[]
  /** Measurements that differ although they name the same signer. */
  contradictions: readonly Contradiction[]
  /** The model and what it was made from; absent if no provenance says so. */
  lineage?: LineageNode
}

/**
 * Tells which attestations a policy believes, and which are merely claimed. The verdict decides; without one, nothing is believed.
 * An attestation that was replaced between the two readings is claimed.
 *
 * @param inspected from {@link inspectModel}
 * @param verdict from `judgeModel()` of `@modelseal/core/policy`, about the same model
 * @example
 * ```ts
 * const { attestations } = weighAttestations(await inspectModel('models/vad'), await judgeModel('models/vad', { policy }))
 * for (const { kind, belief, why } of attestations) console.log(kind, belief, why)
 * ```
 */
export function weighAttestations(inspected: InspectedModel, verdict?: Verdict): WeighedAttestations {
  const model = modelOf(inspected, verdict)
  const judged = new Map(verdict?.attestations?.map((one) => [keyOf(one), one]))
  const attestations = inspected.attestations
    .map((one) => weigh(aboutModel(one, model), { verdict, judged: judged.get(keyOf(one)), model }))
    .sort((one, other) => rankOf(one) - rankOf(other))
  const lineage = model && lineageTree(model.rootDigest, attestations)
  const contradictions = findContradictions(attestations)
  return { attestations, contradictions, ...(lineage && { lineage }) }
}

type Judged = NonNullable<Verdict['attestations']>[number]

/** The same statement in the same place. */
function keyOf({ path, digest }: { path: string; digest?: string }): string {
  return `${digest ?? ''} ${path}`
}

/** The model as a load identifies it. The policy may have accepted another bundle than the first. */
function modelOf({ bundles }: InspectedModel, verdict: Verdict | undefined): ModelSubject | undefined {
  const counted = new Set(verdict?.bundles.flatMap((bundle) => (bundle.counted ? [bundle.path] : [])))
  const judged = verdict?.model.rootDigest
  const candidates = bundles.filter(({ statement }) => judged === undefined || statement?.rootDigest === judged)
  const { statement } = candidates.find(({ path }) => counted.has(path)) ?? candidates[0] ?? {}
  return statement && { rootDigest: statement.rootDigest, identity: statement.modelIdentity }
}

function aboutModel(one: InspectedAttestation, model: ModelSubject | undefined): InspectedAttestation {
  return one.subjects && model ? { ...one, isAbout: haveModel(one.subjects, model) } : one
}

const RANKS: readonly Belief[] = ['believed', 'verified', 'claimed']

function rankOf({ belief, error, isAbout }: WeighedAttestation): number {
  return RANKS.indexOf(belief) + (isAbout === false ? 1 : 0) + (error ? 2 : 0)
}

/** What is known besides the attestation itself. */
interface Known {
  verdict: Verdict | undefined
  judged: Judged | undefined
  model: ModelSubject | undefined
}

function weigh(one: InspectedAttestation, known: Known): WeighedAttestation {
  const { verdict, judged } = known
  const { satisfies, signer, time } = judged ?? {}
  if (!verdict || !judged || !signer || one.digest === undefined)
    return { ...one, belief: 'claimed', why: whyClaimed(one, known) }
  const verified = { ...one, verifiedSigner: signer, ...(time && { time }), ...(satisfies && { satisfies }) }
  if (!satisfies || satisfies.length === 0) {
    const why = judged.reason?.message ?? 'The rule does not ask for it.'
    return { ...verified, belief: 'verified', why: withCode(why, judged) }
  }
  const required = `the rule requires (${satisfies.join(', ')})`
  if (verdict.decision === 'accepted') return { ...verified, belief: 'believed', why: `It satisfies what ${required}.` }
  const code = (verdict.error ?? verdict.wouldRefuse)?.code
  const but = `but the policy does not accept the model${code === undefined ? '' : ` (${code})`}`
  return { ...verified, belief: 'verified', why: `It satisfies what ${required}, ${but}.` }
}

function whyClaimed(one: InspectedAttestation, { verdict, judged, model }: Known): string {
  if (one.error) return `${one.error.message} (${one.error.code})`
  if (one.isAbout === false) return whyOfAnother(one.subjects, model?.rootDigest)
  if (!verdict) return 'No policy was given, so nobody checked who made it.'
  if (judged?.reason) return withCode(judged.reason.message, judged)
  if (verdict.attestations) return 'The rule asks for no such statement, so nobody checked who made it.'
  return verdict.checks.some(({ outcome }) => outcome === 'failed')
    ? 'The policy refused the model before its attestations were checked.'
    : 'The rule asks for no attestations, so nobody checked who made it.'
}

/** The name of a subject is never compared, so it is not told. */
function whyOfAnother(subjects: InspectedAttestation['subjects'] = [], rootDigest: string | undefined): string {
  if (subjects.some(({ sha256 }) => sha256 === rootDigest))
    return 'It is about a model with the same root digest, but other names of files.'
  const [first] = subjects
  return subjects.length === 1 && first
    ? `It is about the root digest sha256:${first.sha256}.`
    : 'It is about other models.'
}

function withCode(sentence: string, { reason }: Judged): string {
  return reason ? `${sentence} (${reason.code})` : sentence
}
