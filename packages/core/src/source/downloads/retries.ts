import { setTimeout as sleep } from 'node:timers/promises'
import { ModelSealError, withHint } from '../../errors.ts'
import type { HttpAnswer } from '../http/request.ts'

/** Attempts without progress. The waits between them double, and are up to half as long again. */
const ATTEMPTS = 4
const BACKOFF_MS = 250
/** A server that asks for more patience is not waited for. */
const MAX_WAIT_MS = 30_000
/** For all attempts without progress together. No further one begins after that time. */
const MAX_TOTAL_MS = 120_000
/** Request Timeout, Too Many Requests, and failures of a server that may pass. */
const TRY_AGAIN: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504])

/** What an attempt has seen of the response. */
interface Attempt {
  answer?: HttpAnswer
  /** Once the content is being received, only the receiver can continue. */
  isReceived?: true
}

/** The attempts at one request, or at what is left of a file. */
export class RequestRetries {
  readonly #signal: AbortSignal
  #failed = 0
  #start = process.uptime()

  /** @param signals end a wait; the request that follows reports the abort */
  constructor(signals: readonly (AbortSignal | undefined)[]) {
    this.#signal = AbortSignal.any(signals.filter((signal) => signal !== undefined))
  }

  /**
   * Makes attempts until one succeeds, or fails for good.
   *
   * @param attempt sends the request
   * @param mend removes the cause of a failure; true if the request can be sent again at once. Throws if it must not be sent again
   */
  async run<T>(
    attempt: (seen: Attempt) => Promise<T>,
    mend: (seen: Attempt, error: unknown) => Promise<boolean> = () => Promise.resolve(false),
  ): Promise<T> {
    for (;;) {
      const seen: Attempt = {}
      try {
        return await attempt(seen)
      } catch (error) {
        if (seen.isReceived) throw error
        if (!(await mend(seen, error))) await this.next(error, seen.answer)
      }
    }
  }

  /**
   * Waits until the request may be sent again.
   *
   * @param error why it failed
   * @param answer the response, if there was one
   * @throws the error, if it is final
   */
  async next(error: unknown, answer?: HttpAnswer): Promise<void> {
    const mayPass = answer ? TRY_AGAIN.has(answer.status) : isUnreachable(error)
    if (!mayPass || this.#signal.aborted) throw error
    this.#failed += 1
    const wait = statedWait(answer) ?? BACKOFF_MS * 2 ** (this.#failed - 1) * (1 + Math.random() / 2)
    const elapsed = (process.uptime() - this.#start) * 1_000
    if (this.#failed === ATTEMPTS || wait > MAX_WAIT_MS || elapsed + wait > MAX_TOTAL_MS) throw this.#final(error)
    await sleep(wait, undefined, { signal: this.#signal }).catch(() => {})
  }

  /** Begins again to count, because something has arrived. */
  progress(): void {
    this.#failed = 0
    this.#start = process.uptime()
  }

  #final(error: unknown): unknown {
    if (!(error instanceof ModelSealError) || this.#failed === 1) return error
    const limits = `${ATTEMPTS} attempts are made, within ${MAX_TOTAL_MS / 1_000} seconds`
    return withHint(error, `${error.hint ?? ''} It failed ${this.#failed} times in a row; at most ${limits}.`.trim())
  }
}

function isUnreachable(error: unknown): boolean {
  return error instanceof ModelSealError && error.code === 'HTTP_UNREACHABLE'
}

/** `Retry-After` (RFC 9110 10.2.3), a number of seconds or a date, in milliseconds from now. */
function statedWait(answer: HttpAnswer | undefined): number | undefined {
  const stated = answer?.headers.get('retry-after')?.trim() ?? ''
  const wait = /^\d{1,9}$/.test(stated) ? Number(stated) * 1_000 : Date.parse(stated) - Date.now()
  return Number.isNaN(wait) ? undefined : Math.max(wait, 0)
}
