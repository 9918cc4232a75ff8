import { milliseconds, repeat, type Failure } from '../../repeating.ts'
import { CollectorClient, type ClientOptions } from './collector-client.ts'
import { Shipment, type PushReport } from './shipment.ts'

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
export type PushEvent = { sent: PushReport } | Failure

const DEFAULT_INTERVAL = 5_000

/**
 * Sends a journal to a collector, from where an earlier call ended. What the collector confirmed is remembered in `collected.json` beside the
 * journal, by which `collected: true` in the settings of the journal decides what may be deleted. While the collector is away, the journal
 * just grows. Several processes can send a journal to one collector, but not to different ones.
 *
 * @returns what was sent and confirmed; with `follow`, once `signal` aborts, in all
 * @throws {@link ModelSealError} `JOURNAL_ROLLBACK`, `JOURNAL_INCONSISTENT`, `JOURNAL_FOREIGN`, `JOURNAL_INVALID`, `JOURNAL_IN_USE`, `JOURNAL_FAILED`,
 * `HTTP_UNREACHABLE`, `HTTP_TIMEOUT`, `HTTP_RESPONSE`, `INVALID_ARGUMENT`, `FILE_NOT_FOUND`, `FILE_UNREADABLE`, `FILE_WRITE_FAILED`,
 * `ABORTED`
 * @example
 * ```ts
 * const { size, bytes } = await pushJournal('/var/lib/recognizer/journal', { to: 'https://collector.example:8443', tokenFile: 'token' })
 * ```
 */
export async function pushJournal(directory: string, options: PushOptions): Promise<PushReport> {
  const { follow = false, onEvent = () => undefined, signal } = options
  const interval = milliseconds('interval', options.interval ?? DEFAULT_INTERVAL)
  const client = await CollectorClient.create(options)
  const shipment = new Shipment(directory, client)
  try {
    if (!follow) return await shipment.send(signal)
    const send = async () => {
      const sent = await shipment.send(signal)
      if (sent.bytes > 0 || sent.commits > 0) onEvent({ sent })
    }
    await repeat(send, { interval, onFailure: onEvent, signal })
    return shipment.total
  } finally {
    shipment.close()
    client.close()
  }
}
