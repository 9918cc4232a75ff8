import { setTimeout as sleep } from 'node:timers/promises'
import { ModelSealError } from '@modelseal/core/errors'
import type { HttpAnswer } from '@modelseal/core/http'

/** Requests in all. The waits between them double, and are up to half as long again. */
const ATTEMPTS = 4
const BACKOFF_MS = 250
/** A server that asks for more patience is not waited for. */
const MAX_WAIT_MS = 30_000
/** Request Timeout, Too Many Requests, and failures of a server that may pass. */
const TRY_AGAIN: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504])

/** The attempts at one request. */
export class Retries {
  readonly #signal: AbortSignal
  #failed = 0

  /** @param signals end a wait; the request that follows reports the abort */
  constructor(signals: readonly (AbortSignal | undefined)[]) {
    this.#signal = AbortSignal.any(signals.filter((signal) => signal !== undefined))
  }

  /**
   * Waits until the request may be sent again.
   *
   * @param error why it failed, before any content was received
   * @param answer the response, if there was one
   * @throws the error, if it is final
   */
  async next(error: unknown, answer: HttpAnswer | undefined): Promise<void> {
    const mayPass = answer ? TRY_AGAIN.has(answer.status) : isUnreachable(error)
    if (!mayPass || ++this.#failed === ATTEMPTS) throw error
    const wait = statedWait(answer) ?? BACKOFF_MS * 2 ** (this.#failed - 1) * (1 + Math.random() / 2)
    if (wait > MAX_WAIT_MS) throw error
    await sleep(wait, undefined, { signal: this.#signal }).catch(() => {})
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
