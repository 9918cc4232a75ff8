import { createHash } from 'node:crypto'
import { parseStrictJson } from '@modelseal/core/adapter'
import { isSyntaxError, messageOf } from '@modelseal/core/any-realm'
import {
  array,
  canonicalJson,
  int,
  isCanonicalJson,
  literal,
  oneOf,
  strictObject,
  string,
  type Schema,
  type WantedDigest,
} from '@modelseal/core/distributed'
import { ModelSealError, shown } from '@modelseal/core/errors'
import { sourceFault } from '../catalogue/model-line.ts'

/** Parts of files that one job has at most. */
export const MOST_PARTS = 1_000
/** Bytes of a batch of small files; a larger part is a job of its own. */
export const BATCH_BYTES = 64 * 1024 * 1024
/** All names of a job together, in characters. */
export const MOST_NAMES = 256 * 1024
/** A part of its own file, with that file: two objects, an array and seven fields. */
const VALUES_PER_PART = 10
/** Names may be escaped, and each part has two numbers. */
export const MAX_JOB_BYTES = 2 * 1024 * 1024
/** Longer than PATH_MAX of Linux and than keys of object stores. */
const MAX_NAME = 4_096
const MAX_VERSION = 1_024

/** Parts of a file. */
interface FileParts {
  /** Absolute path of a file on disk, or its name in the source of the job. */
  name: string
  size: number
  version: string
  parts: WantedDigest[]
}

/** Parts of files of one model that one worker hashes. */
export interface Job {
  v: 1
  /** URL of the model; absent for files on disk. It has no password and no query, since these could be secrets. */
  source?: string
  files: FileParts[]
}

const PART: Schema<WantedDigest> = strictObject({
  hashType: oneOf(['sha256', 'blake2b', 'blake3']),
  start: int().min(0),
  end: int().min(0),
}).refine(({ start, end }) => start <= end, 'a part that ends before it starts')

const FILE: Schema<FileParts> = strictObject({
  name: string().min(1).max(MAX_NAME),
  size: int().min(0),
  version: string().min(1).max(MAX_VERSION),
  parts: array(PART),
}).refine(({ size, parts }) => parts.every(({ end }) => end <= size), 'a part that ends after its file')

const JOB: Schema<Job> = strictObject({
  v: literal(1),
  source: string().max(MAX_NAME).optional(),
  files: array(FILE),
})
  .refine(({ files }) => count(files) > 0 && count(files) <= MOST_PARTS, `more than ${MOST_PARTS} parts, or none`)
  // One job must not read a huge file a thousand times.
  .refine((job) => count(job.files) === 1 || bytesOf(job) <= BATCH_BYTES, `parts of more than ${BATCH_BYTES} bytes`)
  .refine(
    ({ source }) => source === undefined || sourceFault(source) === undefined,
    'a source that workers must not be given',
  )

/** A job in its canonical form, which its identity is computed from. */
export interface WrittenJob {
  /** SHA-256 of the text, lowercase hex: the same job of another run has the same. */
  readonly id: string
  readonly text: string
}

export function writeJob(job: Job): WrittenJob {
  const text = canonicalJson(job)
  return { id: idOf(text), text }
}

/**
 * Reads a job that anyone may have written.
 *
 * @throws {@link ModelSealError} `FLEET_JOB`
 */
export function readJob({ id, text }: WrittenJob): Job {
  if (text.length > MAX_JOB_BYTES) throw malformed(`${text.length} characters`)
  if (idOf(text) !== id) throw malformed('another identity than that of its text')
  const parsed = parsedJson(text)
  const checked = JOB.check(parsed)
  if ('issues' in checked) throw malformed(checked.issues[0].message)
  if (!isCanonicalJson(text, parsed)) throw malformed('JSON that is not canonical')
  return checked.value
}

/** Bytes that a job reads. */
export function bytesOf({ files }: Pick<Job, 'files'>): number {
  return files.flatMap(({ parts }) => parts).reduce((sum, { start, end }) => sum + end - start, 0)
}

/** The hash types of the digests of a job, in their order. */
export function hashTypesOf({ files }: Job): WantedDigest['hashType'][] {
  return files.flatMap(({ parts }) => parts.map(({ hashType }) => hashType))
}

/** The identity of a job with this text. */
export function idOf(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

function count(files: readonly { parts: readonly unknown[] }[]): number {
  return files.reduce((sum, { parts }) => sum + parts.length, 0)
}

function parsedJson(text: string): unknown {
  try {
    return parseStrictJson(Buffer.from(text), { what: 'job', maxValues: VALUES_PER_PART * MOST_PARTS })
  } catch (error) {
    if (error instanceof ModelSealError || isSyntaxError(error)) throw malformed(messageOf(error))
    throw error
  }
}

function malformed(found: string): ModelSealError {
  return new ModelSealError('FLEET_JOB', `Cannot do the job: it is malformed (${shown(found)}).`, {
    hint: 'Check who can write to the queue, and that the coordinator and the worker have the same version.',
  })
}
