import { clearTimeout, setTimeout } from 'node:timers'

/** What happened at a collector. */
export interface CollectorEvent {
  time: string
  /**
   * `created`: a journal was seen first, and its key belongs to its host from now on. `refused`: a request was refused. `cut`: what was not
   * confirmed was removed after a crash. `missing`: a host deleted records before they were collected. `replaced`: lines that no checkpoint covered
   * contradicted others of the host, and are kept as evidence. `failed`: something could not be stored.
   */
  event: 'created' | 'refused' | 'cut' | 'missing' | 'replaced' | 'failed'
  host?: string
  journal?: string
  /** Code of an error. */
  code?: string
  message: string
  /** File with what contradicts a journal. */
  evidence?: string
  /** How many more events of the same kind, host and code came since the last one that was reported. */
  unreported?: number
}

type Untimed = Omit<CollectorEvent, 'time'>

/** Events of one kind that are reported at once; then one for each interval, in milliseconds. */
const [AT_ONCE, INTERVAL] = [20, 1_000]
const LATEST = 10_000

interface Frequent {
  /** How many may still be reported, at this time. */
  left: number
  at: number
  /** The newest event that was only counted, and how many there are. */
  newest: Untimed | undefined
  count: number
}

/** Reports events. Those that a sender can cause as often as it likes do not fill the log: too many are counted. */
export class Events {
  readonly #onEvent: (event: CollectorEvent) => void
  readonly #frequent = new Map<string, Frequent>()
  readonly #latest: number
  #timer: NodeJS.Timeout | undefined

  /** @param latest when those that were only counted are reported, in milliseconds */
  constructor(onEvent: (event: CollectorEvent) => void, latest = LATEST) {
    this.#onEvent = onEvent
    this.#latest = latest
  }

  report(event: Untimed): void {
    this.#onEvent({ time: new Date().toISOString(), ...event })
  }

  /** For refusals and failures. */
  reportFrequent(event: Untimed): void {
    const { host = '', code = '' } = event
    const key = JSON.stringify([event.event, host, code])
    const kind = this.#frequent.get(key) ?? { left: AT_ONCE, at: Date.now(), newest: undefined, count: 0 }
    this.#frequent.set(key, kind)
    const now = Date.now()
    kind.left = Math.min(AT_ONCE, kind.left + Math.abs(now - kind.at) / INTERVAL)
    kind.at = now
    if (kind.left < 1) {
      kind.newest = event
      kind.count += 1
      this.#timer ??= setTimeout(() => this.flush(), this.#latest).unref()
      return
    }
    kind.left -= 1
    this.report({ ...event, ...(kind.count > 0 && { unreported: kind.count }) })
    Object.assign(kind, { newest: undefined, count: 0 })
  }

  /** Reports what was only counted: the newest event of each kind, and how many there were besides it. */
  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    for (const kind of this.#frequent.values()) {
      if (kind.newest) this.report({ ...kind.newest, ...(kind.count > 1 && { unreported: kind.count - 1 }) })
      Object.assign(kind, { newest: undefined, count: 0 })
    }
  }
}
