import { strictObject, string, type Schema } from '@modelseal/core/distributed'
import { MAX_JOB_BYTES } from '../../jobs/job.ts'
import { WORKER_NAME } from '../../results/result.ts'
import type { Order } from '../work-queue.ts'

const ORDER: Schema<Order> = strictObject({
  id: string().regex(/^[0-9a-f]{64}$/, 'a job'),
  text: string().max(MAX_JOB_BYTES),
  not: string().regex(WORKER_NAME, 'a name of a worker').optional(),
})

/** @returns undefined if it cannot be an order */
export function orderFrom(data: unknown): Order | undefined {
  const checked = ORDER.check(data)
  return 'issues' in checked ? undefined : checked.value
}

/** The same order has the same name, so that it is in the queue once. */
export function nameOf({ id, not }: Order): string {
  return not === undefined ? id : `${id}-${not}`
}
