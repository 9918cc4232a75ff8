import { channel, tracingChannel } from 'node:diagnostics_channel'
import type { SerializedError } from './error-details.ts'
import type { ModelSealError } from './errors.ts'
import type { Verdict } from './results.ts'

/**
 * Name of the `node:diagnostics_channel` on which every verdict of a verified load is published,
 * accepted or refused. The message is a `Verdict`.
 *
 * @example
 * ```ts
 * import { subscribe } from 'node:diagnostics_channel'
 * subscribe(VERDICT_CHANNEL, (verdict) => log.info(verdict))
 * ```
 */
export const VERDICT_CHANNEL = 'modelseal:verdict'

/**
 * Name of the `node:diagnostics_channel` tracing channel around each verified load: it makes the
 * channels `tracing:modelseal:load:start`, `:end`, `:asyncStart`, `:asyncEnd` and `:error`. Their
 * message is a {@link LoadTrace}, the same object throughout a load.
 *
 * @example
 * ```ts
 * import { tracingChannel } from 'node:diagnostics_channel'
 * tracingChannel(LOAD_CHANNEL).subscribe({ start: ({ model }) => log.info(`loading ${model}`) })
 * ```
 */
export const LOAD_CHANNEL = 'modelseal:load'

/**
 * Name of the `node:diagnostics_channel` on which the reloads of a watched policy are published.
 * The message is a {@link PolicyReload}.
 */
export const POLICY_CHANNEL = 'modelseal:policy'

/**
 * Name of the `node:diagnostics_channel` on which models are published that are revoked after they were loaded. The message is a
 * {@link Revoked}.
 *
 * @example
 * ```ts
 * import { subscribe } from 'node:diagnostics_channel'
 * subscribe(REVOKED_CHANNEL, ({ model, error }) => log.error(`${model}: ${error.message}`))
 * ```
 */
export const REVOKED_CHANNEL = 'modelseal:revoked'

/** What is known about a load while it runs. It contains no secrets. */
export interface LoadTrace {
  /** Absolute path of the model. */
  model: string
  /** Present from `asyncStart` on. */
  verdict?: Verdict | undefined
  /** The error if the model was refused. */
  error?: unknown
}

/** A watched policy changed. */
export interface PolicyReload {
  /** Absolute path of the policy. */
  path: string
  /** Why the new version is not used; absent if it is in use. */
  error?: SerializedError
}

/** A model that was revoked after it was loaded. */
export interface Revoked {
  /** Absolute path or URL of the model. */
  model: string
  /** The verdict of the load that accepted the model. */
  verdict: Verdict
  /** `MODEL_REVOKED`; its `cause` says why. */
  error: ModelSealError
}

const verdicts = channel(VERDICT_CHANNEL)
const policies = channel(POLICY_CHANNEL)
const revoked = channel(REVOKED_CHANNEL)
const loads = tracingChannel<object, LoadTrace>(LOAD_CHANNEL)

export function publishVerdict(verdict: Verdict): void {
  if (verdicts.hasSubscribers) verdicts.publish(verdict)
}

export function publishPolicyReload(reload: PolicyReload): void {
  if (policies.hasSubscribers) policies.publish(reload)
}

export function publishRevoked(message: Revoked): void {
  if (revoked.hasSubscribers) revoked.publish(message)
}

export function traceLoad<T>(trace: LoadTrace, load: () => Promise<T>): Promise<T> {
  return loads.tracePromise(load, trace)
}
