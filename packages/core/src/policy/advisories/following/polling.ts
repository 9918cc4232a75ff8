import { clearTimeout, monotonic, setTimeout } from '../../../real-time.ts'
import type { FollowedFeed } from '../followed-feed.ts'
import type { Asking } from './fetch-feed.ts'
import { FewAtOnce } from './few-at-once.ts'
import { Pace } from './pace.ts'

/** How long nobody waits for an answer, in milliseconds. */
const LONGEST = 10_000

/** What is polled. */
interface Polled {
  followed(): FollowedFeed
  /** Entity tag of the version in use. */
  etag(): string | undefined
  /** Digest of the version in use. */
  digest(): string | undefined
  /** Looks for a new version. Does not throw. @returns undefined if that failed */
  look(asking: Asking): Promise<{ granted?: number | undefined } | undefined>
}

const turns = new FewAtOnce(true)

/** Looks for new versions of a feed while nobody waits for them. */
export class Polling {
  readonly pace = new Pace()
  readonly #polled: Polled
  #isStarted = false
  #timer: ReturnType<typeof setTimeout> | undefined
  #poll: Promise<void> | undefined

  constructor(polled: Polled) {
    this.#polled = polled
  }

  get isOn(): boolean {
    return this.#isStarted
  }

  start(): void {
    if (this.#isStarted) return
    this.#isStarted = true
    this.#schedule()
  }

  stop(): void {
    this.#isStarted = false
    clearTimeout(this.#timer)
  }

  /** Looks for a new version now, unless that is being done or failed recently. */
  soon(): void {
    if (this.pace.mayAsk(this.#polled.followed())) this.#now()
  }

  #now(): void {
    this.#poll ??= turns
      .run(() => this.#once())
      .finally(() => {
        this.#poll = undefined
        this.#schedule()
      })
  }

  async #once(): Promise<void> {
    const followed = this.#polled.followed()
    const wait = this.pace.wait(followed, this.#polled.etag())
    const digest = this.#polled.digest()
    const began = monotonic()
    const looked = await this.#polled.look({ milliseconds: LONGEST, isDetached: true, wait })
    const isNew = digest !== this.#polled.digest()
    if (looked) this.pace.succeeded({ began, wait, granted: looked.granted, isNew })
    else this.pace.failed({ began, wait }, followed.refresh)
  }

  #schedule(): void {
    clearTimeout(this.#timer)
    if (!this.#isStarted) return
    const pause = this.pace.pause(this.#polled.followed(), this.#polled.etag())
    this.#timer = setTimeout(() => {
      this.#now()
    }, pause)
    this.#timer.unref()
  }
}
