import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { HashJob } from './hash-file.ts'
import { packJobs, resultsOf, unpackJobs } from './message.ts'

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
  },
  { requiredKeys: ['file', 'ranges', 'keep'] },
)

test('jobs reach a thread as they were', () => {
  fc.assert(
    fc.property(fc.array(job), (jobs) => {
      expect(unpackJobs(structuredClone(packJobs(jobs)))).toEqual(jobs)
    }),
  )
})

test('digests come back to the jobs whose ranges they are of', () => {
  fc.assert(
    fc.property(fc.array(job), (jobs) => {
      const digests = jobs.flatMap(({ ranges }, index) => ranges.map((_, part) => `${index}:${part}`))
      expect(resultsOf(jobs, digests)).toEqual(
        jobs.map(({ ranges }, index) => ({ digests: ranges.map((_, part) => `${index}:${part}`) })),
      )
    }),
  )
})
