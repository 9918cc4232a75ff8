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
 * Name of the `node:diagnostics_channel` on which new versions of the advisory feeds are published that policies follow, and failures to
 * look for one. The message is an {@link AdvisoryChange} or an {@link AdvisoryFailure}, which has an `error`.
 *
 * @example
 * ```ts
 * import { subscribe } from 'node:diagnostics_channel'
 * subscribe(ADVISORY_CHANNEL, ({ source, sequence, error }) => log.info(source, error?.code ?? sequence))
 * ```
 */
export const ADVISORY_CHANNEL = 'modelseal:advisory'

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

/**
 * Name of the `node:diagnostics_channel` on which is published that a journal of verdicts cannot be written, and that it can be written
 * again. The message is a {@link JournalState}.
 */
export const JOURNAL_CHANNEL = 'modelseal:journal'

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
  /** SHA-256 of the new version of the file, lowercase hex, if it is in use. */
  digest?: string
  /** The same of the files that it includes. */
  includes?: readonly string[]
  /** Why the new version is not used; absent if it is in use. */
  error?: SerializedError
}

/** A new version of an advisory feed is in use. */
export interface AdvisoryChange {
  /** Its URL, or the absolute path of its file. */
  source: string
  /** Its name, as its signers say. */
  feed: string
  /** Number of the version. */
  sequence: number
  /** SHA-256 of what the version denies, lowercase hex. */
  digest: string
  error?: undefined
}

/** Looking for a new version of an advisory feed failed. */
export interface AdvisoryFailure {
  /** Its URL, or the absolute path of its file. */
  source: string
  /** The name of the version that stays in use; absent if there is none. */
  feed?: string
  /** Its number. */
  sequence?: number
  /** Why it failed. */
  error: SerializedError
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

/** Whether a journal can be written. */
export interface JournalState {
  /** Absolute path of the journal. */
  directory: string
  /** How many records were lost since it was last written. */
  lost: number
  /** Why it cannot be written; absent if it can be written again. */
  error?: SerializedError
}

const verdicts = channel(VERDICT_CHANNEL)
const policies = channel(POLICY_CHANNEL)
const advisories = channel(ADVISORY_CHANNEL)
const revoked = channel(REVOKED_CHANNEL)
const journals = channel(JOURNAL_CHANNEL)
const loads = tracingChannel<object, LoadTrace>(LOAD_CHANNEL)

export function publishVerdict(verdict: Verdict): void {
  if (verdicts.hasSubscribers) verdicts.publish(verdict)
}

export function publishPolicyReload(reload: PolicyReload): void {
  if (policies.hasSubscribers) policies.publish(reload)
}

export function publishAdvisory(message: AdvisoryChange | AdvisoryFailure): void {
  if (advisories.hasSubscribers) advisories.publish(message)
}

export function publishRevoked(message: Revoked): void {
  if (revoked.hasSubscribers) revoked.publish(message)
}

export function publishJournal(state: JournalState): void {
  if (journals.hasSubscribers) journals.publish(state)
}

export function traceLoad<T>(trace: LoadTrace, load: () => Promise<T>): Promise<T> {
  return loads.tracePromise(load, trace)
}
