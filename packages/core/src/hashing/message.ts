import { at } from './batches.ts'
import type { ByteRange, HashJob, HashResult } from './hash-file.ts'

/**
 * Jobs on their way to a thread, in columns: objects would be cloned one by one, which for small
 * files takes half as long as hashing them.
 */
export interface PackedJobs {
  names: string[]
  paths: string[]
  /** Device, inode, size, times of content and state: five of each file. */
  identities: BigInt64Array
  /** For each job the number of its ranges, then the start and end of each. */
  ranges: Float64Array
  /** What few jobs have, by their index. */
  extras: ReadonlyMap<number, Extras>
}

interface Extras {
  keep: boolean
  copyTo: string | undefined
  fd: number | undefined
}

const IDENTITY_FIELDS = 5

export function packJobs(jobs: readonly HashJob[]): PackedJobs {
  const identities = new BigInt64Array(jobs.length * IDENTITY_FIELDS)
  const ranges = new Float64Array(jobs.reduce((sum, job) => sum + 1 + 2 * job.ranges.length, 0))
  const extras = new Map<number, Extras>()
  let place = 0
  for (const [index, { file, keep, copyTo, ranges: own }] of jobs.entries()) {
    const { dev, ino, size, mtimeNs, ctimeNs } = file.identity
    // Node.js reads them as 64 bits with a sign, so each fits.
    const field = index * IDENTITY_FIELDS
    identities[field] = dev
    identities[field + 1] = ino
    identities[field + 2] = BigInt(size)
    identities[field + 3] = mtimeNs
    identities[field + 4] = ctimeNs
    ranges[place++] = own.length
    for (const { start, end } of own) {
      ranges[place++] = start
      ranges[place++] = end
    }
    if (keep || copyTo !== undefined || file.fd !== undefined) extras.set(index, { keep, copyTo, fd: file.fd })
  }
  return {
    names: jobs.map(({ file }) => file.name),
    paths: jobs.map(({ file }) => file.path),
    identities,
    ranges,
    extras,
  }
}

export function unpackJobs({ names, paths, identities, ranges, extras }: PackedJobs): HashJob[] {
  let place = 0
  const range = (): ByteRange => ({ start: at(ranges, place++), end: at(ranges, place++) })
  return names.map((name, index) => {
    const field = index * IDENTITY_FIELDS
    const identity = {
      dev: at(identities, field),
      ino: at(identities, field + 1),
      size: Number(at(identities, field + 2)),
      mtimeNs: at(identities, field + 3),
      ctimeNs: at(identities, field + 4),
    }
    const { keep = false, copyTo, fd } = extras.get(index) ?? {}
    return {
      file: { name, path: at(paths, index), identity, ...(fd === undefined ? {} : { fd }) },
      ranges: Array.from({ length: at(ranges, place++) }, range),
      keep,
      ...(copyTo === undefined ? {} : { copyTo }),
    }
  })
}

/** The results of jobs from their digests, one for each range, on the way back. */
export function resultsOf(jobs: readonly HashJob[], digests: readonly string[]): HashResult[] {
  let next = 0
  return jobs.map(({ ranges }) => ({ digests: digests.slice(next, (next += ranges.length)) }))
}
