import { createHmac, timingSafeEqual } from 'node:crypto'
import { parseStrictJson } from '@modelseal/core/adapter'
import { messageOf } from '@modelseal/core/any-realm'
import {
  array,
  canonicalJson,
  int,
  literal,
  oneOf,
  strictObject,
  string,
  type Schema,
} from '@modelseal/core/distributed'
import { ERROR_CODES, ModelSealError, type ErrorCode } from '@modelseal/core/errors'
import { hashTypesOf, MOST_PARTS, type Job } from '../jobs/job.ts'
import type { WorkerSecrets } from './worker-secrets.ts'

/** A thousand digests of 128 digits. */
const MAX_RESULT_BYTES = 256 * 1024
const MAX_MESSAGE = 4_096
/** Names of workers, as in the file of their secrets. */
export const WORKER_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/
/** Separates this use of a secret from every other one. */
const PURPOSE = 'modelseal fleet result v1\n'

/** What a worker found, authenticated with its secret. */
export interface Result {
  v: 1
  /** Identity of the job. */
  job: string
  worker: string
  /** Seconds since 1970 by the clock of the worker. */
  time: number
  digests: string[]
  /** Why the worker did not do the job. There are no digests then. */
  refusal?: { code: ErrorCode; message: string }
  mac: string
}

const RESULT: Schema<Result> = strictObject({
  v: literal(1),
  job: string().regex(/^[0-9a-f]{64}$/, 'a job'),
  worker: string().regex(WORKER_NAME, 'a name of a worker'),
  time: int().min(0),
  digests: array(string().regex(/^[0-9a-f]{64,128}$/, 'a digest')),
  refusal: strictObject({
    code: oneOf(Object.keys(ERROR_CODES) as ErrorCode[]),
    message: string().max(MAX_MESSAGE),
  }).optional(),
  mac: string().regex(/^[0-9a-f]{64}$/, 'a code'),
})

/** Which job, by whom. */
interface Authorship {
  readonly job: string
  readonly worker: string
  readonly secret: Buffer
}

/** @returns the text of the result */
export function sealResult({ job, worker, secret }: Authorship, outcome: Pick<Result, 'digests' | 'refusal'>): string {
  const time = Math.floor(Date.now() / 1_000)
  const result: Omit<Result, 'mac'> = { v: 1, job, worker, time, ...outcome }
  return canonicalJson({ ...result, mac: codeOf(result, secret) })
}

/** A refusal as a worker reports it. */
export function refusalOf(error: unknown): Required<Pick<Result, 'digests' | 'refusal'>> {
  const code = error instanceof ModelSealError ? error.code : 'WORKER_FAILED'
  return { digests: [], refusal: { code, message: messageOf(error).slice(0, MAX_MESSAGE) } }
}

/**
 * Reads a result that anyone may have written.
 *
 * @returns the result, if a known worker wrote it about this job; else why it does not count
 */
export function authenticResult(
  text: string,
  { id, job }: { id: string; job: Job },
  secrets: WorkerSecrets,
): Result | string {
  if (text.length > MAX_RESULT_BYTES) return 'it is too large'
  let parsed: unknown
  try {
    parsed = parseStrictJson(Buffer.from(text), { what: 'result', maxValues: 2 * MOST_PARTS })
  } catch {
    return 'it is not JSON'
  }
  const checked = RESULT.check(parsed)
  if ('issues' in checked) return `it is malformed (${checked.issues[0].message})`
  const { mac, ...result } = checked.value
  const secret = secrets.of(result.worker)
  if (!secret) return `no worker is known as ${result.worker}`
  if (!timingSafeEqual(Buffer.from(codeOf(result, secret), 'hex'), Buffer.from(mac, 'hex')))
    return `it was not made with the secret of ${result.worker}`
  if (result.job !== id) return 'it is about another job'
  if (result.refusal) return result.digests.length === 0 ? checked.value : 'it has digests and a refusal'
  const lengths = hashTypesOf(job).map((hashType) => (hashType === 'blake2b' ? 128 : 64))
  const isComplete =
    lengths.length === result.digests.length &&
    lengths.every((length, index) => result.digests[index]?.length === length)
  return isComplete ? checked.value : 'it has other digests than the job asks for'
}

function codeOf(result: Omit<Result, 'mac'>, secret: Buffer): string {
  return createHmac('sha256', secret).update(PURPOSE).update(canonicalJson(result)).digest('hex')
}
