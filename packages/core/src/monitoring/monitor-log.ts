import { isArray } from '../any-realm.ts'
import { ModelSealError } from '../errors.ts'
import { invalidOption, listOf, milliseconds, path, flag, required, signal, text, type Copy } from '../kinds.ts'
import { emptyRoot } from '../merkle/tree.ts'
import type { TreeHead } from '../merkle/proofs.ts'
import type { TextPattern } from '../policy/schema/text.ts'
import { plainCopy, snapshot, type Shape } from '../snapshot.ts'
import { DEFAULT_TIMEOUT_MS } from '../source/http/service-call.ts'
import { Turns } from '../source/turns.ts'
import { throwIfAborted } from '../source/aborted.ts'
import { fixedSource, loadSigstoreTrust, type TrustRootSource } from '../verification/sigstore/trust.ts'
import { chosenLog, type TrustedLog } from './chosen-log.ts'
import { verifyCheckpoint, type LogCheckpoint } from './log-checkpoint.ts'
import { LogReader } from './log-reader.ts'
import { readLoggedEntry, type LoggedEntry } from './logged-entry.ts'
import { readCheckpoint } from './saved-checkpoint.ts'
import { entriesSince } from './verified-entries.ts'
import { WatchedIdentities, type FoundCertificate } from './watched-identities.ts'

export interface MonitorOptions {
  /**
   * The identities to look for in certificates: e-mail addresses and URIs. A string is compared exactly; `{ pattern }` is a
   * glob and `{ regexp }` a regular expression, both of which must match the whole identity, as in a policy.
   */
  identities: readonly TextPattern[]
  /** Report only identities that this OpenID Connect issuer authenticated. Default: any. */
  issuer?: TextPattern | undefined
  /** Names the logs and their keys. Default: `public-good`. */
  trustRoot?: TrustRootSource | undefined
  /** Base URL of the log. Default: the log of Rekor v2 in the trusted root, if it is the only one. */
  log?: string | undefined
  /** Path of the checkpoint to start from, which must exist. */
  since?: string | undefined
  /** Path of the checkpoint that the last run saved. If it does not exist yet, this is the first run. */
  checkpoint?: string | undefined
  /** Start from the first entry of the log. */
  fromStart?: boolean | undefined
  /** Maximum time for one request, in milliseconds. Default: 30,000. */
  timeoutMs?: number | undefined
  signal?: AbortSignal | undefined
}

/** An entry that a watched identity made, or that somebody made in its name. */
export interface FoundEntry extends FoundCertificate {
  /** Position in the log, from 0. */
  index: number
  kind: LoggedEntry['kind']
  /** Digest of the signed bytes. An entry does not contain them. */
  digest: LoggedEntry['digest']
}

/** What a log has added. */
export interface MonitorResult {
  /** Base URL of the log. */
  log: string
  /** Where this run started. */
  since: TreeHead
  /** Where the next run should start. */
  checkpoint: LogCheckpoint
  /** True if there was no earlier checkpoint, so no entries were read. */
  isFirstRun: boolean
  /** Number of new entries, all of them verified. */
  entries: number
  /** Number of those with a watched identity. */
  matches: number
  /** The first 10,000 of them, in the order of the log. */
  found: FoundEntry[]
  /** Number of entries that could not be read. Any of them could have a watched identity. */
  unreadable: number
  /** Positions of the first 100 of them. */
  unreadableAt: number[]
  /** Other logs of the trusted root, which were not read. */
  otherLogs: string[]
}

/** A report that is longer helps nobody. */
const MOST_FOUND = 10_000
const MOST_POSITIONS = 100

/**
 * Reads what a transparency log of Rekor v2 has added since a checkpoint, and reports the entries with certificates for the given
 * identities. It verifies the checkpoint of the log, that the log still contains everything that it contained at the earlier
 * checkpoint, and that the entries that it serves are those that it signed. Nothing is reported before everything is verified.
 *
 * Save the new checkpoint with {@link saveCheckpoint} once the result has been handled. Without an earlier checkpoint, no
 * entries are read: the current state of the log is trusted, and the next run starts from there.
 *
 * @throws {@link ModelSealError} `LOG_ROLLBACK`, `LOG_INCONSISTENT`, `LOG_CHECKPOINT_INVALID`, `LOG_UNTRUSTED`, `SERVICE_UNREACHABLE`,
 * `SERVICE_REFUSED`, `INVALID_ARGUMENT`, `ABORTED`, `FILE_*`, and the codes of `loadSigstoreTrust`
 * @example
 * ```ts
 * const result = await monitorLog({ identities: ['release@models.example'], checkpoint: 'log.checkpoint' })
 * for (const { index, identity, certificate } of result.found) console.log(index, identity, certificate.notBefore)
 * await saveCheckpoint('log.checkpoint', result.checkpoint)
 * ```
 */
export async function monitorLog(given: MonitorOptions): Promise<MonitorResult> {
  const options = checked(given)
  const trust = await loadSigstoreTrust(options.trustRoot ?? 'public-good')
  const { log, others } = chosenLog(trust, options.log)
  const watched = await WatchedIdentities.of(options.identities, options.issuer, trust)
  const saved = await startOf(options, log)
  const stop = new AbortController()
  const { signal: caller, timeoutMs = DEFAULT_TIMEOUT_MS } = options
  const reader = new LogReader(log.url, timeoutMs, caller ? AbortSignal.any([caller, stop.signal]) : stop.signal)
  try {
    const current = verifyCheckpoint(await reader.checkpoint(), log)
    const since = saved ?? current
    const seen = await lookAt(entriesSince(since, current, reader), watched, caller)
    const { size, root } = since
    return {
      log: log.url,
      since: { size, root },
      checkpoint: current,
      isFirstRun: saved === undefined,
      entries: current.size - size,
      ...seen,
      otherLogs: others,
    }
  } finally {
    stop.abort()
  }
}

const textPattern: Copy = (value, option) => (typeof value === 'string' ? value : plainCopy(value, option))

const identityList: Copy = (value, option) => {
  if (isArray(value) && value.length === 0) throw invalidOption(option, 'at least one identity', value)
  return listOf(textPattern)(value, option)
}

const OPTIONS: Shape<MonitorOptions> = {
  identities: required(identityList),
  issuer: textPattern,
  trustRoot: fixedSource,
  log: text,
  since: path,
  checkpoint: path,
  fromStart: flag,
  timeoutMs: milliseconds,
  signal,
}

function checked(given: MonitorOptions): Readonly<MonitorOptions> {
  const options = snapshot(given, OPTIONS, 'monitorLog')
  const starts = [options.since !== undefined, options.checkpoint !== undefined, options.fromStart === true]
  if (starts.filter(Boolean).length <= 1) return options
  throw new ModelSealError('INVALID_ARGUMENT', 'The options "since", "checkpoint" and "fromStart" exclude each other.')
}

/** @returns undefined in the first run */
async function startOf(options: MonitorOptions, log: TrustedLog): Promise<TreeHead | undefined> {
  if (options.fromStart) return { size: 0, root: emptyRoot() }
  if (options.since !== undefined) return readCheckpoint(options.since, log)
  if (options.checkpoint === undefined) return undefined
  try {
    return await readCheckpoint(options.checkpoint, log)
  } catch (error) {
    if (error instanceof ModelSealError && error.code === 'FILE_NOT_FOUND') return undefined
    throw error
  }
}

type Seen = Pick<MonitorResult, 'matches' | 'found' | 'unreadable' | 'unreadableAt'>

async function lookAt(
  entries: AsyncIterable<{ index: number; body: Buffer }>,
  watched: WatchedIdentities,
  caller: AbortSignal | undefined,
): Promise<Seen> {
  const seen: Seen = { matches: 0, found: [], unreadable: 0, unreadableAt: [] }
  const turns = new Turns()
  for await (const { index, body } of entries) {
    if (turns.isDue) await turns.next()
    throwIfAborted(caller)
    const found = await foundIn(body, watched)
    if (found === 'unreadable') {
      seen.unreadable += 1
      if (seen.unreadableAt.length < MOST_POSITIONS) seen.unreadableAt.push(index)
    } else if (found) {
      seen.matches += 1
      if (seen.found.length < MOST_FOUND) seen.found.push({ index, ...found })
    }
  }
  return seen
}

/** One that cannot be read does not hide another certificate of the same entry. */
async function foundIn(
  body: Buffer,
  watched: WatchedIdentities,
): Promise<Omit<FoundEntry, 'index'> | 'unreadable' | undefined> {
  try {
    const { kind, digest, certificates } = readLoggedEntry(body)
    const looked = await Promise.allSettled(certificates.map((der) => watched.find(der)))
    const found = looked.map((one) => (one.status === 'fulfilled' ? one.value : undefined)).find((one) => one)
    if (found) return { kind, digest, ...found }
    for (const one of looked) if (one.status === 'rejected') throw one.reason
    return undefined
  } catch (error) {
    if (error instanceof ModelSealError) return 'unreadable'
    throw error
  }
}
