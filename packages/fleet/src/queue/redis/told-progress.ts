import { array, int, strictObject, string, type Schema } from '@modelseal/core/distributed'
import type { Redis } from 'ioredis'
import { QUEUE } from './connection.ts'
import type { RunProgress } from '../work-queue.ts'

const KEY = `${QUEUE}:run:`
/** In seconds: what a coordinator says counts while it is running. */
const SAID_FOR = 10
/** More than a coordinator says, and than there are coordinators. */
const MAX_SAID = 64 * 1024
const MOST_RUNS = 100
const MOST_MODELS = 20

const bytes = int().min(0)

const PROGRESS: Schema<RunProgress> = strictObject({
  models: int().min(0),
  failed: int().min(0),
  current: array(strictObject({ model: string().max(8_192), done: bytes, total: bytes })),
  others: int().min(0),
  bytes,
  bytesPerSecond: bytes,
}).refine(({ current }) => current.length <= MOST_MODELS, `more than ${MOST_MODELS} models`)

/** Says how far a run is. */
export async function tellProgress(redis: Redis, run: string, progress: RunProgress): Promise<void> {
  await redis.set(`${KEY}${run}`, JSON.stringify(progress), 'EX', SAID_FOR)
}

export async function forgetProgress(redis: Redis, run: string): Promise<void> {
  await redis.del(`${KEY}${run}`)
}

/** How far the runs are whose coordinators use the queue. Anyone who can write to it may have said so. */
export async function toldProgress(redis: Redis): Promise<RunProgress[]> {
  const keys = new Set<string>()
  let cursor = '0'
  do {
    const [next, found] = await redis.scan(cursor, 'MATCH', `${KEY}*`, 'COUNT', 1_000)
    for (const key of found) if (keys.size < MOST_RUNS) keys.add(key)
    cursor = next
  } while (cursor !== '0')
  const runs: RunProgress[] = []
  for (const key of [...keys].sort()) {
    // Perhaps it is none, or has expired.
    const progress = progressFrom(await redis.getrange(key, 0, MAX_SAID).catch(() => ''))
    if (progress) runs.push(progress)
  }
  return runs
}

function progressFrom(text: string): RunProgress | undefined {
  if (text.length > MAX_SAID) return undefined
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    return undefined
  }
  const checked = PROGRESS.check(parsed)
  return 'issues' in checked ? undefined : checked.value
}
