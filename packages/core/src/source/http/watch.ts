import { clearTimeout, setTimeout } from '../../real-time.ts'

/** Ends a request that takes too long. */
export class Watch {
  readonly #controller = new AbortController()
  readonly #idle: NodeJS.Timeout
  readonly #total: NodeJS.Timeout
  readonly signal: AbortSignal
  /** Which limit was passed. */
  late: string | undefined

  constructor(idleTimeout: number, totalTimeout: number, signals: readonly AbortSignal[]) {
    this.#idle = setTimeout(() => this.#giveUp(`something every ${idleTimeout} ms`), idleTimeout)
    this.#total = setTimeout(() => this.#giveUp(`all of it within ${totalTimeout} ms`), totalTimeout)
    this.signal = AbortSignal.any([this.#controller.signal, ...signals])
  }

  /** The server has said something. */
  alive(): void {
    this.#idle.refresh()
  }

  /** Closes the connection, unless all of it was received. */
  end(): void {
    clearTimeout(this.#idle)
    clearTimeout(this.#total)
    this.#controller.abort()
  }

  #giveUp(limit: string): void {
    this.late = limit
    this.#controller.abort()
  }
}
