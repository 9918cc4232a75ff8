import { clearTimeout, setTimeout } from 'node:timers'
import type { Redis, RedisOptions } from 'ioredis'
import { codeOf, messageOf } from '@modelseal/core/any-realm'
import { ModelSealError, shown } from '@modelseal/core/errors'
import { queuePackages } from './packages.ts'

/** The queue of all coordinators and workers that use one Redis. */
export const QUEUE = 'modelseal-fleet'
/** In milliseconds. */
const CONNECT_TIMEOUT = 10_000
const MOST_BETWEEN_ATTEMPTS = 2_000

/**
 * Connects to Redis, and waits until it answers. From then on, commands wait while it is away.
 *
 * @param url `redis:`, or `rediss:` for TLS; may have a user and a password
 * @throws {@link ModelSealError} `INVALID_ARGUMENT`, `FLEET_QUEUE`, `FLEET_PACKAGES`, `ABORTED`
 */
export async function connect(url: string, signal: AbortSignal | undefined): Promise<Redis> {
  const place = placeOf(url)
  // The client only knows the scheme in lowercase: with another one it would send everything without TLS.
  const redis = clientOf(new URL(url).href, {
    maxRetriesPerRequest: null,
    retryStrategy: (attempt: number) => Math.min(100 * attempt, MOST_BETWEEN_ATTEMPTS),
  })
  let last = 'no answer'
  // Without a listener it would end the process.
  redis.on('error', (error: unknown) => {
    last = messageOf(error)
    if (isDistrust(error)) reject(error)
  })
  const { promise: stopped, reject } = Promise.withResolvers<never>()
  const stop = () => {
    reject(new Error(last))
  }
  const timer = setTimeout(stop, CONNECT_TIMEOUT)
  signal?.addEventListener('abort', stop, { once: true })
  if (signal?.aborted) stop()
  try {
    // It refuses the command if a password is missing.
    await Promise.race([redis.ping(), stopped])
    return redis
  } catch (cause) {
    redis.disconnect()
    if (signal?.aborted) throw new ModelSealError('ABORTED', 'The caller aborted the operation.')
    throw queueFailure(place, cause)
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', stop)
  }
}

/** An error of the client, without what is in it: the command that failed, which may be the one with the password. */
export function queueFailure(place: string, failure: unknown): ModelSealError {
  const reason = messageOf(failure).replace(/\.$/, '')
  return new ModelSealError('FLEET_QUEUE', `Cannot use the queue at ${shown(place)}: ${reason}.`, {
    hint: isDistrust(failure)
      ? 'If the certificate is right, set NODE_EXTRA_CA_CERTS to the file of its authority (PEM) before the process starts.'
      : 'Check that Redis is running, the URL of the queue, and its password.',
  })
}

function clientOf(url: string, options: RedisOptions): Redis {
  const { Redis } = queuePackages()
  try {
    return new Redis(url, options)
  } catch {
    // Malformed escapes. The cause might show the password.
    throw invalidUrl()
  }
}

/** Whether TLS refuses the certificate of Redis. Another attempt would not change that. */
function isDistrust(error: unknown): boolean {
  return /^(CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE|ERR_TLS_CERT_)/.test(
    codeOf(error) ?? '',
  )
}

/** @returns the URL without what is secret */
export function placeOf(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (parsed && /^rediss?:$/.test(parsed.protocol) && parsed.host !== '') return `${parsed.protocol}//${parsed.host}`
  throw invalidUrl()
}

function invalidUrl(): ModelSealError {
  return new ModelSealError('INVALID_ARGUMENT', 'Cannot use the queue: its URL is not one of Redis.', {
    expected: 'a URL such as redis://127.0.0.1:6379, or rediss:// for TLS',
  })
}
