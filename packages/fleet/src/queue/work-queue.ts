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
   * @param onProgress is told how many bytes of it are hashed, as some worker says
   * @returns the text of its result, which nobody has checked
   * @throws {@link ModelSealError} `ABORTED`, `FLEET_QUEUE`
   */
  run(order: Order, signal: AbortSignal | undefined, onProgress?: (bytes: number) => void): Promise<string>
  /** Forgets a job whose result was kept, or does not count. */
  forget(order: Order): Promise<void>
  /** Tells others that look at the queue how far the run is. */
  tell(progress: RunProgress): void
  close(): Promise<void>
}

/** How far one model is, in bytes. */
export interface ModelProgress {
  model: string
  done: number
  /** 0 until its files are listed. */
  total: number
}

/** How far a run is. */
export interface RunProgress {
  /** Models that are done, with those that failed. */
  models: number
  failed: number
  /** The largest of the models that are being worked on. */
  current: ModelProgress[]
  /** How many more are being worked on. */
  others: number
  /** Bytes that were hashed in this run. */
  bytes: number
  bytesPerSecond: number
}
