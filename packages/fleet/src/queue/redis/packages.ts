import type * as BullMQ from 'bullmq'
import type { Redis, RedisOptions } from 'ioredis'
import { optionalPackage } from '../../optional-package.ts'

/** The constructor of the client. */
type RedisClient = new (url: string, options: RedisOptions) => Redis

/**
 * BullMQ and its client, which are only installed where a queue is used.
 *
 * @throws {@link ModelSealError} `FLEET_PACKAGES`
 */
export function queuePackages(): { bullmq: typeof BullMQ; Redis: RedisClient } {
  const needed = { what: 'use the queue', install: 'bullmq ioredis' }
  const bullmq = optionalPackage('bullmq', needed) as typeof BullMQ
  const { Redis } = optionalPackage('ioredis', needed) as { Redis: RedisClient }
  return { bullmq, Redis }
}
