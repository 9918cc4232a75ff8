import type { FileElsewhere } from '@modelseal/core/distributed'
import { expect, test } from 'vitest'
import { readJob } from './job.ts'
import { jobsOf } from './split.ts'

const MIB = 1024 * 1024

function file(name: string, size: number, shard = size): FileElsewhere {
  const starts = Array.from({ length: Math.max(1, Math.ceil(size / shard)) }, (_, index) => index * shard)
  const wanted = starts.map((start) => ({ hashType: 'sha256' as const, start, end: Math.min(start + shard, size) }))
  return { place: { path: name }, size, version: 'v', wanted }
}

test('each large part is a job, and small files share one', () => {
  const files = [file('/a', 10), file('/large', 150 * MIB, 64 * MIB), file('/b', 20)]
  const jobs = [...jobsOf(files, undefined)]
  expect(jobs.map(({ bytes }) => bytes)).toEqual([64 * MIB, 64 * MIB, 22 * MIB + 30])
  expect(jobs.map(({ places }) => places)).toEqual([
    [[1, 0]],
    [[1, 1]],
    [
      [0, 0],
      [1, 2],
      [2, 0],
    ],
  ])
  expect(jobs.map((job) => readJob(job))).toEqual(jobs.map(({ job }) => job))
})

test('a batch has at most 64 MiB and a thousand parts', () => {
  const small = Array.from({ length: 2_500 }, (_, index) => file(`/${index}`, 1))
  expect(Array.from(jobsOf(small, undefined), ({ places }) => places.length)).toEqual([1_000, 1_000, 500])
  const medium = Array.from({ length: 5 }, (_, index) => file(`/${index}`, 30 * MIB))
  expect(Array.from(jobsOf(medium, undefined), ({ places }) => places.length)).toEqual([2, 2, 1])
})

test('long names make smaller batches, which can be read', () => {
  const files = Array.from({ length: 200 }, (_, index) => file(`/${'é'.repeat(4_000)}${index}`, 1))
  const jobs = [...jobsOf(files, undefined)]
  expect(jobs.length).toBeGreaterThan(2)
  for (const job of jobs) expect(readJob(job)).toEqual(job.job)
})

test('parts of one file that follow each other are named once', () => {
  const [job] = jobsOf([file('/a', 30, 10)], 'hf://acme/vad')
  expect(job?.job).toMatchObject({ source: 'hf://acme/vad', files: [{ name: '/a', parts: [{}, {}, {}] }] })
  expect(job?.job.files).toHaveLength(1)
})

test('the same files have the same jobs', () => {
  const ids = () => Array.from(jobsOf([file('/a', 10), file('/b', 99 * MIB)], undefined), ({ id }) => id)
  expect(ids()).toEqual(ids())
})
