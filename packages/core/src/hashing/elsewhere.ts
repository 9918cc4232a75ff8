import { AsyncLocalStorage } from 'node:async_hooks'
import { ModelSealError, shown } from '../errors.ts'
import { ALGORITHMS, type HashType } from './algorithms.ts'
import { at } from '../at.ts'
import { changed, statesOf, type FileIdentity, type SourceFile } from '../source/local/source-file.ts'
import { extrasOf, type HashJob, type HashResult } from './hash-file.ts'

/** A digest that is wanted of a part of a file: from `start` (inclusive) to `end` (exclusive), in bytes. */
export interface WantedDigest {
  readonly hashType: HashType
  readonly start: number
  readonly end: number
}

/** A file that is hashed somewhere else. */
export interface FileElsewhere {
  /** Absolute path of a file on disk, or the name of a file within the source of the model. */
  readonly place: { readonly path: string } | { readonly name: string }
  /** In bytes. */
  readonly size: number
  /**
   * The state of the file, which must be hashed in no other: of a file on disk, its size, times and inode; otherwise, the version that its source
   * states. Compare it before hashing, as `hashFilesOnDisk()` and `SourceHasher` do.
   */
  readonly version: string
  readonly wanted: readonly WantedDigest[]
}

/** What is to be hashed of one model. */
export interface ElsewhereRequest {
  readonly files: readonly FileElsewhere[]
  readonly signal: AbortSignal | undefined
  /** Call it with the number of bytes of all these files that have been hashed so far. */
  readonly onProgress: ((done: number) => void) | undefined
}

/**
 * Hashes files somewhere else.
 *
 * @returns for each file, in their order, the wanted digests in lowercase hex, in their order. Only their number and lengths are checked: wrong
 * digests are signed, or refuse a model that is intact
 */
export type HashElsewhere = (request: ElsewhereRequest) => Promise<readonly (readonly string[])[]>

const current = new AsyncLocalStorage<HashElsewhere | undefined>()

/**
 * Runs an operation whose files are hashed by `hash`, except for those that it returns as bytes or by a path. The operation decides as it
 * always does: it lists the files, compares the states of those on disk again afterwards, and compares or signs the digests.
 *
 * @param hash called once or more often, with files of one model each time
 * @param operation `signModel()`, `judgeModel()` and the like
 * @returns what the operation returns
 * @throws {@link ModelSealError} `FILE_CHANGED` (a file is no longer as it was listed), `WORKER_FAILED` (digests that are missing or have the wrong
 * length), and what `hash` and the operation throw
 * @example
 * ```ts
 * import { hashFilesOnDisk, hashingElsewhere } from '@modelseal/core/distributed'
 * import { digestModel } from '@modelseal/core/signing'
 *
 * const { rootDigest } = await hashingElsewhere(
 *   ({ files, signal }) => hashFilesOnDisk(files, { signal }),
 *   () => digestModel('models/vad'),
 * )
 * ```
 */
export function hashingElsewhere<T>(hash: HashElsewhere, operation: () => Promise<T>): Promise<T> {
  // What it does to hash them, perhaps in this process, is not part of the operation.
  return current.run((request) => current.run(undefined, hash, request), operation)
}

/** How the current operation hashes files somewhere else; undefined if it does not. */
export function elsewhere(): HashElsewhere | undefined {
  return current.getStore()
}

/**
 * Has files on disk hashed somewhere else, and checks that they are still in the states that were listed.
 *
 * @throws {@link ModelSealError} `FILE_CHANGED`, `WORKER_FAILED` (digests that are none), and what `hash` throws
 */
export async function jobsElsewhere(
  jobs: readonly HashJob[],
  hash: HashElsewhere,
  options: { hashType: HashType; signal?: AbortSignal | undefined; onProgress?: (done: number) => void },
): Promise<HashResult[]> {
  const { signal, onProgress } = options
  const files = jobs.map((job): FileElsewhere => {
    const { path, identity } = job.file
    const whole = (extrasOf(job).whole ?? []).map((hashType) => ({ hashType, start: 0, end: identity.size }))
    const ranges = job.ranges.map(({ start, end }) => ({ hashType: options.hashType, start, end }))
    return { place: { path }, size: identity.size, version: stateVersion(identity), wanted: [...ranges, ...whole] }
  })
  const digests = checkedDigests(files, await hash({ files, signal, onProgress }))
  const states = await statesOf(
    jobs.map(({ file }) => file),
    signal,
  )
  states.forEach((now, index) => checkState(at(jobs, index).file, now))
  return jobs.map(({ ranges }, index) => {
    const found = at(digests, index)
    const whole = found.slice(ranges.length)
    return { digests: found.slice(0, ranges.length), ...(whole.length > 0 ? { whole } : {}) }
  })
}

/** The path of a file, or its name within its source. */
export function pathOrName(place: FileElsewhere['place']): string {
  return 'path' in place ? place.path : place.name
}

/** Identifies the state of a file on all machines that see it through one file system. Devices have other numbers elsewhere. */
export function stateVersion({ ino, size, mtimeNs, ctimeNs }: FileIdentity): string {
  return `${size}-${mtimeNs}-${ctimeNs}-${ino}`
}

/** @throws {@link ModelSealError} `WORKER_FAILED` unless there is a digest of the right length for each that is wanted */
export function checkedDigests(files: readonly FileElsewhere[], given: readonly (readonly string[])[]): string[][] {
  return files.map(({ place, wanted }, index) => {
    const digests = given[index] ?? []
    const isRight = ({ hashType }: WantedDigest, part: number): boolean =>
      new RegExp(`^[0-9a-f]{${ALGORITHMS[hashType].hexLength}}$`).test(digests[part] ?? '')
    if (digests.length === wanted.length && wanted.every(isRight)) return [...digests]
    const file = pathOrName(place)
    throw new ModelSealError('WORKER_FAILED', `Cannot use the digests of ${shown(file)}: they are incomplete.`, {
      file,
      expected: `${wanted.length} digests`,
    })
  })
}

function checkState(listed: SourceFile, now: SourceFile): void {
  const [was, is] = [listed.identity, now.identity]
  if (was.dev === is.dev && stateVersion(was) === stateVersion(is)) return
  throw changed(listed, 'it changed while it was hashed elsewhere')
}
