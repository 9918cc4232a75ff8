import { setTimeout as sleep } from 'node:timers/promises'
import { ModelSealError } from '@modelseal/core/errors'
import type { Credentials } from './credentials.ts'

/** Gets credentials. Returns undefined if there are none. */
type Ask = (signal: AbortSignal, detached: boolean) => Promise<Credentials | undefined>

/** One question, which all requests that need the answer share. */
interface Asking {
  readonly found: Promise<Credentials | undefined>
  readonly stop: AbortController
  waiting: number
  isOver: boolean
}

/** So long before they expire, credentials are renewed: a request may take as long to arrive. */
const RENEWED_MS = 5 * 60_000
/** A provider may start a program, or ask a service several times. */
const MAX_ASKING_MS = 60_000

/** Keeps credentials until they expire. */
export class CredentialProvider {
  readonly #ask: Ask
  readonly #maxAskingMs: number
  #asking: Asking | undefined
  /** The answer, while it is to be used. */
  #current: Credentials | undefined
  #renewal = Infinity
  /** Whether requests were signed. From then on, all are. */
  #isSigning = false

  constructor(ask: Ask, maxAskingMs = MAX_ASKING_MS) {
    this.#ask = ask
    this.#maxAskingMs = maxAskingMs
  }

  /**
   * The credentials to sign with now.
   *
   * @param detached true if nobody waits for what they are for: waiting for them then does not keep the process alive
   * @returns undefined if there are none: then requests are not signed, as for public buckets
   * @throws {@link ModelSealError} `CREDENTIALS_UNAVAILABLE`, `ABORTED`, and what the function of the caller throws
   */
  async get(signal: AbortSignal, detached = false): Promise<Credentials | undefined> {
    const last = this.#current
    const isDue = last !== undefined && Date.now() >= this.#renewal
    if (isDue) this.forget(last)
    const asking = (this.#asking ??= this.#begin(detached, isDue ? last : undefined))
    asking.waiting += 1
    const ended = new AbortController()
    const wait = { signal: AbortSignal.any([signal, ended.signal]), ref: !detached }
    try {
      return await Promise.race([asking.found, this.#overdue(signal, wait)])
    } finally {
      ended.abort()
      asking.waiting -= 1
      if (asking.waiting === 0 && !asking.isOver) this.#end(asking)
    }
  }

  /** Asks again next time, because the store says that these have expired. Other requests may have led to others meanwhile. */
  forget(used: Credentials | undefined): void {
    if (used === undefined || used !== this.#current) return
    this.#current = undefined
    this.#asking = undefined
  }

  /** @param last credentials that will expire soon */
  #begin(detached: boolean, last: Credentials | undefined): Asking {
    const stop = new AbortController()
    const found = this.#found(() => this.#ask(stop.signal, detached), last)
    const asking: Asking = { found, stop, waiting: 0, isOver: false }
    const over = () => {
      asking.isOver = true
    }
    asking.found.then(over, () => {
      over()
      if (this.#asking === asking) this.#asking = undefined
    })
    return asking
  }

  async #found(ask: () => ReturnType<Ask>, last: Credentials | undefined): Promise<Credentials | undefined> {
    try {
      const found = await ask()
      if (found === undefined && this.#isSigning) throw unavailable('there are none any more')
      return this.#keep(found)
    } catch (error) {
      // They are still good for a while, so a service that fails now may be asked once more.
      if (last?.expiration === undefined || last.expiration.getTime() <= Date.now()) throw error
      return this.#keep(last)
    }
  }

  #keep(found: Credentials | undefined): Credentials | undefined {
    const left = (found?.expiration?.getTime() ?? Infinity) - Date.now()
    this.#current = found
    this.#isSigning ||= found !== undefined
    // Credentials that are valid for a short time only are not asked for with every request.
    this.#renewal = Date.now() + Math.max(left - RENEWED_MS, left / 2)
    return found
  }

  /** Nobody waits for the answer any more. */
  #end(asking: Asking): void {
    asking.stop.abort()
    if (this.#asking === asking) this.#asking = undefined
  }

  async #overdue(signal: AbortSignal, wait: { signal: AbortSignal; ref: boolean }): Promise<never> {
    await sleep(this.#maxAskingMs, undefined, wait).catch(() => {})
    throw signal.aborted
      ? new ModelSealError('ABORTED', 'The operation was aborted by its caller.', { cause: signal.reason })
      : unavailable(`they did not arrive within ${this.#maxAskingMs / 1_000} seconds`)
  }
}

function unavailable(why: string): ModelSealError {
  return new ModelSealError('CREDENTIALS_UNAVAILABLE', `Cannot get credentials for S3: ${why}.`, {
    hint: 'Check what provides them: the function of the program, the profile, or the role of this machine.',
  })
}
