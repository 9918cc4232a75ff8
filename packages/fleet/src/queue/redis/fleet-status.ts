import { connectedWorkers } from './connected-workers.ts'
import { connect, placeOf, queueFailure, QUEUE } from './connection.ts'
import { queuePackages } from './packages.ts'
import { toldProgress } from './told-progress.ts'
import type { RunProgress } from '../work-queue.ts'

/** What a queue has at this moment. */
export interface FleetStatus {
  /** Jobs that wait for a worker. */
  waiting: number
  /** Jobs that workers are at. */
  active: number
  /** Jobs that are done, and whose results no coordinator has fetched. */
  done: number
  failed: number
  /** Names of the workers that are connected. */
  workers: string[]
  /** How far the runs are, as their coordinators say. */
  runs: RunProgress[]
  /** Memory that Redis uses, in bytes. */
  redisBytes: number
}

/**
 * Looks at the queue of a fleet.
 *
 * @param url of Redis, `redis:` or `rediss:`
 * @throws {@link ModelSealError} `INVALID_ARGUMENT`, `FLEET_QUEUE`, `FLEET_PACKAGES`, `ABORTED`
 */
export async function fleetStatus(url: string, signal?: AbortSignal): Promise<FleetStatus> {
  const { bullmq } = queuePackages()
  const redis = await connect(url, signal)
  const queue = new bullmq.Queue(QUEUE, { connection: redis })
  queue.on('error', () => undefined)
  try {
    const counts = await queue.getJobCounts('waiting', 'prioritized', 'delayed', 'active', 'completed', 'failed')
    const workers = await connectedWorkers(queue)
    const [, used = '0'] = /^used_memory:(\d+)/m.exec(await redis.info('memory')) ?? []
    const { waiting = 0, prioritized = 0, delayed = 0, active = 0, completed: done = 0, failed = 0 } = counts
    return {
      waiting: waiting + prioritized + delayed,
      active,
      done,
      failed,
      workers,
      runs: await toldProgress(redis),
      redisBytes: Number(used),
    }
  } catch (error) {
    // As if something else has written to the queue, or this user may not do that.
    throw queueFailure(placeOf(url), error)
  } finally {
    await queue.close()
    redis.disconnect()
  }
}
