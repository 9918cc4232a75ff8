import type { WrittenJob } from '../jobs/job.ts'

/** A job that is given to some worker. */
export interface Order extends WrittenJob {
  /** Name of a worker that must not do it, because it has done it once. */
  readonly not?: string
}

/** Gives jobs to workers. What comes back may come from anyone. */
export interface WorkQueue {
  /** Jobs that are given out at a time. */
  readonly window: number
  /**
   * Has a job done, however often workers that began it are killed.
   *
   * @returns the text of its result, which nobody has checked
   * @throws {@link ModelSealError} `ABORTED`, `FLEET_QUEUE`
   */
  run(order: Order, signal: AbortSignal | undefined): Promise<string>
  /** Forgets a job whose result was kept, or does not count. */
  forget(order: Order): Promise<void>
  close(): Promise<void>
}
