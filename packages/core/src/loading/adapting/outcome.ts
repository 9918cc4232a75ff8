import { messageOf } from '../../any-realm.ts'
import { ModelSealError, shown } from '../../errors.ts'
import type { AcceptedVerdict, UnverifiedVerdict, Verdict } from '../../results.ts'
import type { BelievedAttestations } from '../attestations/attestation.ts'
import type { OpenedModel } from '../verified-model.ts'

/**
 * The outcome of a load that handed out a model. `decision` says whether the model was verified, and narrows what adapters return:
 * only a verified model has `attestations`.
 *
 * @example
 * ```ts
 * const loaded = await loadVerifiedModel('models/vad', { policy: 'trust-policy.yaml' })
 * if (loaded.decision === 'accepted') console.log(loaded.attestations('evaluation')[0]?.content.results)
 * else log.warn(`running an unverified model: ${loaded.verdict.wouldRefuse?.message}`)
 * ```
 */
export type LoadOutcome = {
  /** Is aborted if the model is revoked after it was loaded, like `revoked` of an opened model. */
  readonly revoked: AbortSignal
} & (
  | {
      readonly decision: 'accepted'
      readonly verdict: AcceptedVerdict
      /** What was attested about the model by attestations that satisfied the rule. */
      readonly attestations: BelievedAttestations
    }
  | { readonly decision: 'tolerated' | 'skipped'; readonly verdict: UnverifiedVerdict }
)

/**
 * What an adapter returns besides the object that the runtime created. The model is watched for as long as somebody has `revoked`, even
 * after it is closed.
 *
 * @example
 * ```ts
 * return { session, ...outcomeOf(model) }
 * ```
 */
export function outcomeOf(model: OpenedModel<unknown>): LoadOutcome {
  const { revoked } = model
  model.keepWatching(revoked)
  return model.decision === 'accepted'
    ? { decision: model.decision, verdict: model.verdict, attestations: model.attestations, revoked }
    : { decision: model.decision, verdict: model.verdict, revoked }
}

/** Describes a failure of a runtime. */
export interface RuntimeFailure {
  /** The name of the runtime, for the message: `ONNX Runtime`. */
  runtime: string
  /** What the user can do about it, as a sentence. */
  hint: string
  /** The error message of the runtime. Default: the message of the cause. */
  found?: string | undefined
}

/**
 * Creates the error for a model that the runtime failed to load: `RUNTIME_FAILED`, with the verdict of the load. A
 * `ModelSealError` is only given the verdict.
 *
 * @param cause error that the runtime threw
 * @example
 * ```ts
 * const session = await runtime.load(model.gathered).catch((cause: unknown) => {
 *   throw runtimeFailed(cause, model.verdict, { runtime: 'My Runtime', hint: 'Check that this version supports the model.' })
 * })
 * ```
 */
export function runtimeFailed(
  cause: unknown,
  verdict: Verdict,
  { runtime, hint, found }: RuntimeFailure,
): ModelSealError {
  if (cause instanceof ModelSealError) return withVerdict(cause, verdict)
  const { path } = verdict.model
  const judged = verdict.decision === 'accepted' ? 'verified' : 'unverified'
  const error = new ModelSealError(
    'RUNTIME_FAILED',
    `Cannot load the ${judged} model ${shown(path)}: ${runtime} reported an error.`,
    {
      file: path,
      found: shown(found ?? messageOf(cause)),
      hint,
      cause,
    },
  )
  return withVerdict(error, verdict)
}

/** Attaches the verdict of a load to an error that has none, such as one of `confirm()`. */
export function withVerdict(error: ModelSealError, verdict: Verdict): ModelSealError {
  error.verdict ??= verdict
  return error
}
