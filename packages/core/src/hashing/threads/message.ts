import { at } from '../../at.ts'
import { descriptorOf, extrasOf, furtherOf, type ByteRange, type HashJob, type HashResult } from '../hash-file.ts'

/**
 * Jobs as they are sent to a thread, in columns. Cloning objects one by one would take half as long as
 * hashing the files, if they are small.
 */
export interface PackedJobs {
  names: string[]
  paths: string[]
  /** Device, inode, size, mtime and ctime: five values for each file. */
  identities: BigInt64Array
  /** For each job: the number of its ranges, then the start and end of each. */
  ranges: Float64Array
  /** Fields that few jobs have, by the index of the job. */
  extras: ReadonlyMap<number, Extras>
}

type Extras = Pick<HashJob, 'keep' | 'keepOnly' | 'copyTo' | 'whole'> & Pick<HashJob['file'], 'fd'>

const IDENTITY_FIELDS = 5

export function packJobs(jobs: readonly HashJob[]): PackedJobs {
  const identities = new BigInt64Array(jobs.length * IDENTITY_FIELDS)
  const ranges = new Float64Array(jobs.reduce((sum, job) => sum + 1 + 2 * job.ranges.length, 0))
  const extras = new Map<number, Extras>()
  let place = 0
  for (const [index, job] of jobs.entries()) {
    const { file, ranges: own } = job
    const { dev, ino, size, mtimeNs, ctimeNs } = file.identity
    // Node.js reads them as signed 64-bit integers, so each fits.
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
    const extra = packedExtras(job)
    if (extra) extras.set(index, extra)
  }
  return {
    names: jobs.map(({ file }) => file.name),
    paths: jobs.map(({ file }) => file.path),
    identities,
    ranges,
    extras,
  }
}

function packedExtras(job: HashJob): Extras | undefined {
  const { file, keep } = job
  const { keepOnly, copyTo, whole } = extrasOf(job)
  const fd = descriptorOf(file)
  if (!keep && copyTo === undefined && fd === undefined && !whole) return undefined
  return {
    keep,
    ...(keepOnly === undefined ? {} : { keepOnly }),
    ...(copyTo === undefined ? {} : { copyTo }),
    ...(whole ? { whole } : {}),
    ...(fd === undefined ? {} : { fd }),
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
    const { fd, ...wanted } = extras.get(index) ?? { keep: false }
    return {
      file: { name, path: at(paths, index), identity, ...(fd === undefined ? {} : { fd }) },
      ranges: Array.from({ length: at(ranges, place++) }, range),
      ...wanted,
    }
  })
}

/** Digests as they are sent back: for each job those of its ranges, then those of the whole file. */
export function packDigests(results: readonly HashResult[]): string[] {
  return results.flatMap((result) => [...result.digests, ...furtherOf(result)])
}

/** Reverses {@link packDigests}. */
export function resultsOf(jobs: readonly HashJob[], digests: readonly string[]): HashResult[] {
  let next = 0
  const take = (count: number) => digests.slice(next, (next += count))
  return jobs.map((job) => {
    const { whole } = extrasOf(job)
    const result = { digests: take(job.ranges.length) }
    return whole ? { ...result, whole: take(whole.length) } : result
  })
}
