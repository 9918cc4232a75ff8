import { Worker } from 'node:worker_threads'
import { SharedInput } from './shared-input.ts'
import { LONGEST } from './target.ts'
import type { Job, Report } from './worker.ts'

/** An input that takes longer than this hangs; slow ones take milliseconds. */
const HANG_MS = 20_000
const HEAP_MIB = 1024

/** How to fuzz. */
export interface Options extends Pick<Job, 'seconds' | 'seed' | 'corpus'> {
  /** How long an input may take. */
  readonly hangMs?: number
}

/** What came out of fuzzing a target. */
export type Outcome = Pick<Report, 'finding'> & Partial<Report>

/**
 * Fuzzes a target on a thread of its own, and takes an input that hangs or exhausts the memory for a finding.
 *
 * @param target path of its module
 */
export function runTarget(target: string, { hangMs = HANG_MS, ...options }: Options): Promise<Outcome> {
  const shared = new SharedInput(2 * LONGEST)
  const workerData: Job = { target, ...options, memory: shared.memory }
  const worker = new Worker(new URL('worker.ts', import.meta.url), {
    workerData,
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MIB },
    execArgv: ['--no-warnings'],
  })
  const fault = (error: string): Outcome => ({ finding: { input: shared.input, error } })
  return new Promise((resolve) => {
    let tried = -1
    const watch = setInterval(() => {
      if (shared.count === tried && shared.count > 0) done(fault(`No answer within ${hangMs / 1000} s.`))
      tried = shared.count
    }, hangMs)
    function done(outcome: Outcome): void {
      clearInterval(watch)
      void worker.terminate()
      resolve(outcome)
    }
    worker.once('message', (report: Report) => done(report))
    worker.once('error', (error) => done(fault(error.stack ?? String(error))))
    worker.once('exit', () => done(fault('The thread ended without a report.')))
  })
}
