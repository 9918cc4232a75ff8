import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { HashJob } from '../hash-file.ts'
import { ALGORITHMS, type HashType } from '../algorithms.ts'
import { packDigests, packJobs, resultsOf, unpackJobs } from './message.ts'

const field = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
const position = fc.maxSafeNat()

const job: fc.Arbitrary<HashJob> = fc.record(
  {
    file: fc.record(
      {
        name: fc.string(),
        path: fc.string({ unit: 'binary' }),
        identity: fc.record({ dev: field, ino: field, size: position, mtimeNs: field, ctimeNs: field }),
        fd: fc.nat(),
      },
      { requiredKeys: ['name', 'path', 'identity'] },
    ),
    ranges: fc.array(fc.record({ start: position, end: position })),
    keep: fc.boolean(),
    copyTo: fc.string(),
    whole: fc.subarray(Object.keys(ALGORITHMS) as HashType[], { minLength: 1 }),
  },
  { requiredKeys: ['file', 'ranges', 'keep'] },
)

test('a job keeps the same part of a file in a thread', () => {
  fc.assert(
    fc.property(job, fc.nat(), (one, keepOnly) => {
      const kept = { ...one, keep: true, keepOnly }
      expect(unpackJobs(structuredClone(packJobs([kept])))).toEqual([kept])
    }),
  )
})

test('jobs reach a thread unchanged', () => {
  fc.assert(
    fc.property(fc.array(job), (jobs) => {
      expect(unpackJobs(structuredClone(packJobs(jobs)))).toEqual(jobs)
    }),
  )
})

test('digests are assigned to the right jobs', () => {
  fc.assert(
    fc.property(fc.array(job), (jobs) => {
      const results = jobs.map(({ ranges, whole }, index) => ({
        digests: ranges.map((_, part) => `${index}:${part}`),
        ...(whole ? { whole: whole.map((type) => `${index}:${type}`) } : {}),
      }))
      expect(resultsOf(jobs, packDigests(results))).toEqual(results)
    }),
  )
})
