import { availableParallelism } from 'node:os'
import type { JobPerformer } from '../worker/job-performer.ts'
import type { Order, WorkQueue } from './work-queue.ts'

/** Does all jobs in this process. Its threads hash large files; the next jobs wait for them. */
export class EmbeddedQueue implements WorkQueue {
  readonly window = availableParallelism() + 1
  readonly #performer: JobPerformer

  constructor(performer: JobPerformer) {
    this.#performer = performer
  }

  run(order: Order, signal: AbortSignal | undefined, onProgress?: (bytes: number) => void): Promise<string> {
    return this.#performer.perform(order, signal, onProgress)
  }

  forget(): Promise<void> {
    return Promise.resolve()
  }

  tell(): void {
    // Nobody else looks at it.
  }

  close(): Promise<void> {
    return this.#performer.close()
  }
}
