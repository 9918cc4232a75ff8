import { clearTimeout, setTimeout } from 'node:timers'
import { BadRequest } from './request-content.ts'

/** Requests whose content is in memory at a time. */
const MOST_REQUESTS = 64
/** Those of one host, so that it would take many to keep the others waiting. */
const MOST_OF_HOST = 2
/** Requests of one host that wait. It has at most 32 journals. */
const MOST_WAITING = 32
/** In milliseconds. */
const LONGEST_WAIT = 20_000

interface Waiting {
  host: string
  start: () => void
}

/** Which requests are answered now. Those of a host that has few come before those of one that has many. */
export class Slots {
  #running = 0
  readonly #longestWait: number
  readonly #ofHost = new Map<string, number>()
  readonly #waiting = new Set<Waiting>()

  constructor(longestWait = LONGEST_WAIT) {
    this.#longestWait = longestWait
  }

  /**
   * Waits until a request of the host may be answered.
   *
   * @returns what ends it
   * @throws {@link BadRequest} 503
   */
  async take(host: string): Promise<() => void> {
    if (this.#isFree(host)) this.#start(host)
    else await this.#turnOf(host)
    return () => {
      this.#running -= 1
      const left = this.#runningOf(host) - 1
      if (left > 0) this.#ofHost.set(host, left)
      else this.#ofHost.delete(host)
      this.#next()
    }
  }

  #isFree(host: string): boolean {
    return this.#running < MOST_REQUESTS && this.#runningOf(host) < MOST_OF_HOST
  }

  #start(host: string): void {
    this.#running += 1
    this.#ofHost.set(host, this.#runningOf(host) + 1)
  }

  #runningOf(host: string): number {
    return this.#ofHost.get(host) ?? 0
  }

  #turnOf(host: string): Promise<void> {
    const ofHost = [...this.#waiting].filter((each) => each.host === host).length
    if (ofHost >= MOST_WAITING) throw tooMany()
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => {
        this.#waiting.delete(waiting)
        reject(tooMany())
      }, this.#longestWait)
      const waiting = {
        host,
        start: () => {
          clearTimeout(late)
          this.#waiting.delete(waiting)
          this.#start(host)
          resolve()
        },
      }
      this.#waiting.add(waiting)
    })
  }

  #next(): void {
    const free = [...this.#waiting].filter(({ host }) => this.#isFree(host))
    const next = free.find(({ host }) => this.#runningOf(host) === 0) ?? free[0]
    next?.start()
  }
}

function tooMany(): BadRequest {
  return new BadRequest(503, 'there are too many requests')
}
