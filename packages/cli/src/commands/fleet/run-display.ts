import type { RunProgress } from '@modelseal/fleet'
import type { MultiBar, SingleBar } from 'cli-progress'
import { clearInterval, setInterval } from 'node:timers'
import { printable } from '../../output.ts'
import { progressLines, totalsLine } from './progress-lines.ts'

/** Milliseconds between two looks at the progress. */
const EVERY = 200
/** Milliseconds between two lines where no terminal can replace them. */
const LINE_EVERY = 10_000
/** Milliseconds of work before anything appears. */
const PATIENCE = 500

/** Shows how far a run is: on a terminal in a few lines that stay in place, elsewhere in a line from time to time. */
export class RunDisplay {
  readonly #stream: NodeJS.WriteStream
  readonly #progress: () => RunProgress
  readonly #timer: NodeJS.Timeout
  #screen: MultiBar | undefined
  readonly #lines: SingleBar[] = []
  #isStopped = false

  constructor(
    stream: NodeJS.WriteStream,
    progress: () => RunProgress,
    { patience = PATIENCE, lineEvery = LINE_EVERY } = {},
  ) {
    this.#stream = stream
    this.#progress = progress
    if (stream.isTTY) {
      const from = process.uptime() * 1_000
      this.#timer = setInterval(() => void this.#draw(process.uptime() * 1_000 - from >= patience), EVERY)
    } else this.#timer = setInterval(() => this.log(totalsLine(progress())), lineEvery)
    this.#timer.unref()
  }

  /** Writes a line above the progress. */
  log(line: string): void {
    const text = `${printable(line)}\n`
    if (this.#screen) this.#screen.log(text)
    else this.#stream.write(text)
  }

  stop(): void {
    this.#isStopped = true
    clearInterval(this.#timer)
    // What was logged is above the progress only once it is drawn.
    this.#screen?.update()
    this.#screen?.stop()
    this.#screen = undefined
  }

  async #draw(isTime: boolean): Promise<void> {
    if (!isTime) return
    const { default: library } = await import('cli-progress')
    if (this.#isStopped) return
    this.#screen ??= new library.MultiBar({
      stream: this.#stream,
      format: (_options, _params, { line }: { line?: string }) => line ?? '',
      clearOnComplete: true,
      hideCursor: true,
      // A line that is too long must not become two.
      linewrap: false,
      // The program itself ends on signals.
      gracefulExit: false,
    })
    const lines = progressLines(this.#progress(), this.#stream)
    for (let index = 0; index < Math.max(lines.length, this.#lines.length); index++) {
      const payload = { line: lines[index] ?? '' }
      const bar = this.#lines[index]
      if (bar) bar.update(0, payload)
      else this.#lines.push(this.#screen.create(1, 0, payload))
    }
  }
}
