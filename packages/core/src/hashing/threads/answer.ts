import { types } from 'node:util'
import { ERROR_CODES, type SerializedError } from '../../errors.ts'
import { ALGORITHMS, type HashType } from '../algorithms.ts'
import { extrasOf, type HashJob } from '../hash-file.ts'
import type { HashBatchResult } from './worker.ts'

/**
 * Checks that a thread's answer fits these jobs. Threads of the program's own pool may return anything, and digests
 * are compared with a signature or signed.
 */
export function answerOf(answer: unknown, jobs: readonly HashJob[], hashType: HashType): HashBatchResult {
  const [error, taken, digests] = ownFields(answer, 'error', 'taken', 'digests')
  if (isSerializedError(error)) return { error }
  if (taken === true) return { taken }
  const lengths = jobs.flatMap((job) => [
    ...job.ranges.map(() => ALGORITHMS[hashType].hexLength),
    ...(extrasOf(job).whole ?? []).map((type) => ALGORITHMS[type].hexLength),
  ])
  if (!Array.isArray(digests) || digests.length !== lengths.length) throw noAnswer('with the wrong number of digests')
  if (!lengths.every((length, index) => isHex(digests[index], length))) throw noAnswer('with malformed digests')
  return { digests: digests as string[] }
}

/** The kept bytes of these jobs, as a thread sent them. */
export function bytesOf(received: unknown, jobs: readonly HashJob[]): ArrayBuffer[] {
  const [message] = ownFields(received, 'message')
  const sizes = jobs
    .filter(({ keep }) => keep)
    .map((job) => Math.min(job.file.identity.size, extrasOf(job).keepOnly ?? Infinity))
  const isKept = (size: number, index: number) => {
    const bytes: unknown = (message as readonly unknown[])[index]
    return types.isArrayBuffer(bytes) && bytes.byteLength === size
  }
  if (Array.isArray(message) && message.length === sizes.length && sizes.every(isKept)) return message as ArrayBuffer[]
  throw noAnswer('without the bytes that it was asked to keep')
}

/** @param what completes the sentence "The thread answered …" */
export function noAnswer(what: string): Error {
  return new Error(`The thread answered ${what}.`)
}

/** Reads own fields only, so that nothing on `Object.prototype` counts as one. */
function ownFields(value: unknown, ...names: string[]): unknown[] {
  const fields = typeof value === 'object' && value !== null ? (value as { [name: string]: unknown }) : {}
  return names.map((name) => (Object.hasOwn(fields, name) ? fields[name] : undefined))
}

function isHex(value: unknown, length: number): boolean {
  return typeof value === 'string' && value.length === length && /^[0-9a-f]*$/.test(value)
}

function isSerializedError(value: unknown): value is SerializedError {
  const [code, message] = ownFields(value, 'code', 'message')
  return typeof code === 'string' && Object.hasOwn(ERROR_CODES, code) && typeof message === 'string'
}
