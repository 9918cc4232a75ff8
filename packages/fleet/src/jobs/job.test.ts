import { createHash } from 'node:crypto'
import { canonicalJson } from '@modelseal/core/distributed'
import { expect, test } from 'vitest'
import { refusal } from '../../../core/src/testing/scratch.ts'
import { bytesOf, hashTypesOf, MAX_JOB_BYTES, MOST_PARTS, readJob, writeJob, type Job } from './job.ts'

const PART = { hashType: 'sha256' as const, start: 0, end: 4 }
const FILE = {
  name: '/models/a/weights.bin',
  size: 8,
  version: '8-1-2-3',
  parts: [PART, { ...PART, start: 4, end: 8 }],
}
const JOB: Job = { v: 1, files: [FILE] }

const written = (value: unknown) => {
  const text = typeof value === 'string' ? value : canonicalJson(value)
  return { id: createHash('sha256').update(text).digest('hex'), text }
}

test('a job is read as it was written, and has one identity', () => {
  expect(readJob(writeJob(JOB))).toEqual(JOB)
  expect(writeJob({ files: JOB.files, v: 1 }).id).toBe(writeJob(JOB).id)
  expect(writeJob({ ...JOB, source: 'hf://acme/vad' }).id).not.toBe(writeJob(JOB).id)
  expect([bytesOf(JOB), hashTypesOf(JOB)]).toEqual([8, ['sha256', 'sha256']])
})

test('a job has room for as many files as a batch has', () => {
  const files = Array.from({ length: MOST_PARTS }, (_, index) => ({
    ...FILE,
    name: `/models/a/${index}`,
    parts: [PART],
  }))
  const job: Job = { v: 1, source: 'hf://acme/vad', files }
  expect(readJob(writeJob(job))).toEqual(job)
})

const MANY = Array.from({ length: 1_001 }, () => PART)

test.each([
  ['no JSON', '{'],
  ['a key twice', writeJob(JOB).text.replace('"v":1', '"v":1,"v":1')],
  ['spaces', ` ${writeJob(JOB).text}`],
  ['an unknown field', { ...JOB, command: 'rm' }],
  ['another version', { ...JOB, v: 2 }],
  ['no files', { ...JOB, files: [] }],
  ['no parts', { ...JOB, files: [{ ...FILE, parts: [] }] }],
  ['too many parts', { ...JOB, files: [{ ...FILE, parts: MANY }] }],
  ['a part beyond the file', { ...JOB, files: [{ ...FILE, parts: [{ ...PART, end: 9 }] }] }],
  ['a part that ends before it starts', { ...JOB, files: [{ ...FILE, parts: [{ ...PART, start: 5 }] }] }],
  ['another hash type', { ...JOB, files: [{ ...FILE, parts: [{ ...PART, hashType: 'md5' }] }] }],
  ['a huge file many times', { ...JOB, files: [{ ...FILE, size: 2 ** 40, parts: [PART, { ...PART, end: 2 ** 40 }] }] }],
  ['a size that is no integer', { ...JOB, files: [{ ...FILE, size: 8.5 }] }],
  ['a negative start', { ...JOB, files: [{ ...FILE, parts: [{ ...PART, start: -1 }] }] }],
  ['an end that is not exact', writeJob({ ...JOB, files: [{ ...FILE, size: 2 ** 53 }] }).text],
  ['a prototype', writeJob(JOB).text.replace('"v":1', '"__proto__":{"v":1},"v":1')],
  ['no version of a file', { ...JOB, files: [{ ...FILE, version: '' }] }],
  ['a source with a password', { ...JOB, source: 'https://user:secret@models.example/vad' }],
  ['a source with a query', { ...JOB, source: 'https://models.example/vad?token=secret' }],
  ['a source that is a path', { ...JOB, source: '/models/vad' }],
  ['too many bytes', ' '.repeat(MAX_JOB_BYTES + 1)],
])('a job with %s is refused', (_, value) => {
  expect(() => readJob(written(value))).toThrow(refusal('FLEET_JOB'))
})

test('a job with the identity of another one is refused', () => {
  const other = writeJob({ ...JOB, source: 'hf://acme/vad' })
  expect(() => readJob({ ...writeJob(JOB), id: other.id })).toThrow(refusal('FLEET_JOB'))
})
