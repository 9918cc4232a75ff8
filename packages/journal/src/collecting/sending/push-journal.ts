import { setTimeout as wait } from 'node:timers/promises'
import { ModelSealError } from '@modelseal/core/errors'
import { CollectorClient, type ClientOptions } from './collector-client.ts'
import { Shipment, type PushReport } from './shipment.ts'
import { waitAfter } from '../wait-after.ts'

/** Where and how a journal is sent. */
export interface PushOptions extends ClientOptions {
  /** URL of the collector: `https://`, or `http://` on this machine. */
  to: string
  /** File that only this user can read, with the token of this host. */
  tokenFile?: string | undefined
  /** File with the client certificate of this host (PEM), together with `clientKey`. */
  clientCert?: string | undefined
  /** File that only this user can read, with the private key of that certificate (PEM). */
  clientKey?: string | undefined
  /** File with the certificates (PEM) of the authorities that issued the certificate of the collector. Default: those of Node.js. */
  ca?: string | undefined
  /** True to go on until `signal` aborts, and to wait while the collector is away. Default: false. */
  follow?: boolean | undefined
  /** Milliseconds between two looks at the journal. Default: 5,000. */
  interval?: number | undefined
  /** Milliseconds in which the collector must answer. Default: 60,000. */
  timeout?: number | undefined
  /** Called while following, after something was sent, or could not be sent. */
  onEvent?: ((event: PushEvent) => void) | undefined
  signal?: AbortSignal | undefined
}

/** What happened while a journal was followed. */
export type PushEvent = { sent: PushReport } | { error: ModelSealError; retryIn: number }

const DEFAULT_INTERVAL = 5_000
/** Time, or the administrator of the collector, may help. Everything else ends the work. */
const PASSING: ReadonlySet<string> = new Set(['HTTP_UNREACHABLE', 'HTTP_TIMEOUT', 'HTTP_RESPONSE', 'FILE_NOT_FOUND'])

/**
 * Sends a journal to a collector, from where an earlier call ended. What the collector confirmed is remembered in `collected.json` beside the
 * journal, by which `collected: true` in the settings of the journal decides what may be deleted. While the collector is away, the journal
 * just grows. Several processes can send a journal to one collector, but not to different ones.
 *
 * @returns what was sent and confirmed; with `follow`, once `signal` aborts, in all
 * @throws {@link ModelSealError} `JOURNAL_ROLLBACK`, `JOURNAL_INCONSISTENT`, `JOURNAL_FOREIGN`, `JOURNAL_INVALID`, `JOURNAL_IN_USE`, `JOURNAL_FAILED`,
 * `HTTP_UNREACHABLE`, `HTTP_TIMEOUT`, `HTTP_RESPONSE`, `INVALID_ARGUMENT`, `FILE_NOT_FOUND`, `FILE_UNREADABLE`, `ABORTED`
 * @example
 * ```ts
 * const { size, bytes } = await pushJournal('/var/lib/recognizer/journal', { to: 'https://collector.example:8443', tokenFile: 'token' })
 * ```
 */
export async function pushJournal(directory: string, options: PushOptions): Promise<PushReport> {
  const { interval = DEFAULT_INTERVAL, follow = false, onEvent = () => undefined, signal } = options
  if (!Number.isSafeInteger(interval) || interval < 1)
    throw new ModelSealError('INVALID_ARGUMENT', 'Invalid value for option "interval".', { expected: 'milliseconds' })
  const client = await CollectorClient.create(options)
  const shipment = new Shipment(directory, client)
  try {
    if (!follow) return await shipment.send(signal)
    await following(shipment, { interval, onEvent, signal })
    return shipment.total
  } finally {
    shipment.close()
    client.close()
  }
}

async function following(
  shipment: Shipment,
  {
    interval,
    onEvent,
    signal,
  }: { interval: number; onEvent: (event: PushEvent) => void; signal: AbortSignal | undefined },
): Promise<void> {
  let failures = 0
  while (!signal?.aborted) {
    let pause = interval
    try {
      const sent = await shipment.send(signal)
      failures = 0
      if (sent.bytes > 0 || sent.commits > 0) onEvent({ sent })
    } catch (error) {
      if (signal?.aborted) return
      if (!(error instanceof ModelSealError) || !PASSING.has(error.code)) throw error
      pause = waitAfter(failures)
      failures += 1
      onEvent({ error, retryIn: pause })
    }
    await wait(pause, undefined, { ...(signal && { signal }) }).catch(() => undefined)
  }
}
