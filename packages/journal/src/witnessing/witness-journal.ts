import { witnessKey } from '@modelseal/core/journal'
import { milliseconds, repeat, type Failure } from '../repeating.ts'
import { submitNewest, type WitnessedCheckpoint } from './submitting.ts'
import { WitnessClient } from './witness-client.ts'

/** Which witness cosigns the checkpoints of a journal, and where they are kept. */
export interface WitnessOptions {
  /** Submission prefix of the witness: `https://`, or `http://` on this machine. */
  to: string
  /** Key of the witness: a C2SP verifier key for cosignatures, or a file with one. */
  witnessKey: string
  /** File for the newest cosigned checkpoint. Default: `witnessed-<hash of the key>.checkpoint` in the directory of the journal. */
  output?: string | undefined
  /** Key of the host: a C2SP verifier key, or a file with one or with a PEM public key. Default: the key in the journal. */
  key?: string | undefined
  /** True to go on until `signal` aborts, and to wait while the witness is away. Default: false. */
  follow?: boolean | undefined
  /** Milliseconds between two submissions while following. Default: 60,000. */
  interval?: number | undefined
  /** Milliseconds in which the witness must answer. Default: 30,000. */
  timeout?: number | undefined
  /** Called while following, after a checkpoint was cosigned, or could not be. */
  onEvent?: ((event: WitnessEvent) => void) | undefined
  signal?: AbortSignal | undefined
}

/** What happened while a journal was followed. */
export type WitnessEvent = { witnessed: WitnessedCheckpoint } | Failure

const DEFAULT_INTERVAL = 60_000
const DEFAULT_TIMEOUT = 30_000

/**
 * Has the newest checkpoint of a journal cosigned by a witness (C2SP tlog-witness), which does so only if it continues every checkpoint of
 * this journal that it has cosigned before. No private key is needed, so whoever has a copy of a journal can do it, too.
 *
 * @returns the cosigned checkpoint; with `follow`, the last one once `signal` aborts, or undefined if there was none
 * @throws {@link ModelSealError} `JOURNAL_ROLLBACK`, `JOURNAL_INCONSISTENT`, `JOURNAL_FOREIGN`, `JOURNAL_INVALID`, `KEY_INVALID`,
 * `KEY_MISMATCH`, `HTTP_UNREACHABLE`, `HTTP_TIMEOUT`, `HTTP_RESPONSE`, `HTTP_REDIRECT`, `FILE_WRITE_FAILED`, `INVALID_ARGUMENT`,
 * `FILE_NOT_FOUND`, `FILE_UNREADABLE`, `ABORTED`
 * @example
 * ```ts
 * const witnessed = await witnessJournal('/var/lib/recognizer/journal', { to: 'https://witness.example', witnessKey: 'witness.vkey' })
 * console.log(witnessed.size, witnessed.time)
 * ```
 */
export async function witnessJournal(
  directory: string,
  options: WitnessOptions & { follow?: false | undefined },
): Promise<WitnessedCheckpoint>
export async function witnessJournal(
  directory: string,
  options: WitnessOptions,
): Promise<WitnessedCheckpoint | undefined>
export async function witnessJournal(
  directory: string,
  options: WitnessOptions,
): Promise<WitnessedCheckpoint | undefined> {
  const { to, key, output, follow = false, onEvent = () => undefined, signal } = options
  const interval = milliseconds('interval', options.interval ?? DEFAULT_INTERVAL)
  const client = new WitnessClient(to, milliseconds('timeout', options.timeout ?? DEFAULT_TIMEOUT), signal)
  const witness = await witnessKey(options.witnessKey)
  const witnessing = { directory, key, witness, client, output }
  if (!follow) return submitNewest(witnessing)
  let last: WitnessedCheckpoint | undefined
  const submit = async () => {
    last = await submitNewest(witnessing)
    onEvent({ witnessed: last })
  }
  await repeat(submit, { interval, onFailure: onEvent, signal })
  return last
}
