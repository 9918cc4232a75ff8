import { monotonic } from '../../../real-time.ts'
import type { FollowedFeed } from '../followed-feed.ts'

/** The longest time that a server is asked to wait, in seconds. Proxies often end requests after a minute. */
const LONGEST_WAIT = 30
/** How soon the next request follows one that the server waited with, in milliseconds from start to start. */
const DISTANCE = 500
/** How soon after the first load a server is asked whether it waits, in milliseconds. */
const FIRST = 1_000
/** After a long request broke off, a short one follows so soon, in milliseconds. */
const AFTER_BREAK = 5_000
/** A feed is tried again after this long at the latest, in milliseconds, unless the policy asks for it less often. */
const LONGEST_BACKOFF = 60_000
/** After long requests that broke off, the server is asked to wait again after this long at the latest. */
const LONGEST_WITHOUT = 3_600_000

/** A request in the background, and what came of it. Times are those of {@link monotonic}. */
interface Polled {
  began: number
  /** Seconds that the server was asked to wait. */
  wait: number | undefined
  /** Seconds that the server agreed to wait for a change (RFC 7240 4.3). */
  granted?: number | undefined
  /** True if there was a new version. */
  isNew?: boolean
}

/** When a feed is asked for next in the background. Not all processes ask at once, and those that get no answer ask less often. */
export class Pace {
  #failures = 0
  #failedAt = 0
  /** When the last request began that the server waited with. Undefined if it did not, or answered without anything new. */
  #waited: number | undefined
  #isFirst = true
  /** Long requests in a row that broke off. */
  #breaks = 0
  #shortUntil = -Infinity

  /** Seconds that the server of a feed is asked to wait for a change, if it can know of one; undefined if it is not asked to wait. */
  wait({ kind, refresh, maxAge }: FollowedFeed, etag: string | undefined): number | undefined {
    if (kind !== 'url' || etag === undefined || monotonic() < this.#shortUntil) return undefined
    // A version counts as confirmed when the request began.
    const seconds = Math.floor(Math.min(LONGEST_WAIT, refresh / 1_000, maxAge.milliseconds / 2_000))
    return seconds >= 1 ? seconds : undefined
  }

  /** True once a load that finds a version out of date may ask again in the background. */
  mayAsk({ refresh }: FollowedFeed): boolean {
    return this.#failures === 0 || monotonic() >= this.#failedAt + this.#backoff(refresh)
  }

  /** Milliseconds until the next request of the timer. */
  pause(feed: FollowedFeed, etag: string | undefined): number {
    const { refresh } = feed
    if (this.#failures > 0) return varied(this.#backoff(refresh))
    if (this.#waited !== undefined) return Math.max(DISTANCE / 10, this.#waited + varied(DISTANCE, 0.5) - monotonic())
    if (this.#isFirst && this.wait(feed, etag) !== undefined) return varied(Math.min(FIRST, refresh), 0.5)
    return varied(refresh)
  }

  /** A load that waited for an answer had one. */
  answered(): void {
    this.#failures = 0
  }

  /** The timer had an answer. */
  succeeded({ began, wait, granted, isNew = false }: Polled): void {
    this.#isFirst = false
    this.#failures = 0
    // One that answers at once without anything new does not wait, whatever it says.
    const hasWaited = granted !== undefined && (isNew || monotonic() - began >= Math.max(granted, 1) * 500)
    this.#waited = hasWaited ? began : undefined
    if (wait !== undefined) this.#breaks = 0
  }

  failed({ began, wait }: Polled, refresh: number): void {
    this.#isFirst = false
    this.#waited = undefined
    this.#failures += 1
    this.#failedAt = monotonic()
    // A proxy on the way may allow no request of this length. Those of the usual length then go on as if there was no other.
    if (wait === undefined || this.#failedAt - began < Math.min(1_000, wait * 500)) return
    this.#breaks += 1
    this.#shortUntil = this.#failedAt + Math.min(refresh * 2 ** this.#breaks, Math.max(refresh, LONGEST_WITHOUT))
  }

  #backoff(refresh: number): number {
    if (this.#failures === 1 && this.#failedAt < this.#shortUntil) return Math.min(refresh, AFTER_BREAK)
    return Math.min(refresh * 2 ** Math.min(this.#failures, 16), Math.max(refresh, LONGEST_BACKOFF))
  }
}

function varied(milliseconds: number, by = 0.1): number {
  return milliseconds * (1 - by + Math.random() * 2 * by)
}
