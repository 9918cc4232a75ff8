import type * as BullMQ from 'bullmq'
import type { Redis, RedisOptions } from 'ioredis'
import { messageOf } from '@modelseal/core/any-realm'
import { ModelSealError, shown } from '@modelseal/core/errors'

/** The constructor of the client. */
type RedisClient = new (url: string, options: RedisOptions) => Redis

/**
 * BullMQ and its client, which are only installed where a queue is used. Hidden from bundlers.
 *
 * @throws {@link ModelSealError} `FLEET_PACKAGES`
 */
export function queuePackages(): { bullmq: typeof BullMQ; Redis: RedisClient } {
  const bullmq = load('bullmq') as typeof BullMQ
  const { Redis } = load('ioredis') as { Redis: RedisClient }
  return { bullmq, Redis }
}

function load(name: string): unknown {
  try {
    return process.getBuiltinModule('node:module').createRequire(import.meta.url)(name)
  } catch (cause) {
    throw new ModelSealError('FLEET_PACKAGES', `Cannot use the queue: the package ${name} cannot be loaded.`, {
      found: shown(messageOf(cause)),
      hint: 'Install it: npm install bullmq ioredis',
      cause,
    })
  }
}
