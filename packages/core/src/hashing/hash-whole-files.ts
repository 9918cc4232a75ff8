import { closeSync, fstatSync, lstatSync, readSync } from 'node:fs'
import { dirname } from 'node:path'
import { monotonic, wallClock } from '../real-time.ts'
import { withoutPrototype } from '../snapshot.ts'
import { nextTurn } from '../source/aborted.ts'
import { checkDirectory, openListed } from '../source/local/open-file.ts'
import { TICK } from '../source/local/settling.ts'
import { changed, statesOf, type FoundFile, type SourceFile } from '../source/local/source-file.ts'
import { ALGORITHMS } from './algorithms.ts'
import { totalBytes, workOf } from './batches.ts'
import { at } from '../at.ts'
import { elsewhere } from './elsewhere.ts'
import { CHUNK_BYTES, chunkBuffer, wholeFile } from './hash-file.ts'
import { guardedCallback, hashFiles, type HashOptions, type ProgressCallback } from './hash-files.ts'
import { HashingTurns } from './hash-in-turns.ts'
import { callingThreadHashes } from './pool.ts'

// All digests of a model must be of one moment, so that they never mix an old version of the model with a new one. The
// usual procedure reads the states of all files, hashes the files with hashFiles(), and compares the states again. The
// quick procedure reads each small file once and takes its state only afterwards. Its digests count only if it proves
// that nothing has changed since hashing began. If there is any doubt, the usual procedure hashes all files; if a file
// that was already read has changed since, the model is refused.
//
// Assumptions
//   A1  The file system is local. Its kernel gives a file a new ctime before its new bytes can be read, and a directory
//       before its new entries can be found. A directory that is moved gets a new ctime, too. Users cannot set a ctime.
//       There is one exception: a truncated file shows its new length before its new ctime, on ext4 and tmpfs for some
//       microseconds. Programs that rewrite a file truncate it to nothing, so empty files take the usual procedure.
//       Nobody truncates an old file to another length within the microseconds between O2's read and its state.
//   A2  A new ctime is earlier than the change by at most TICK + RESOLUTION.
//   A3  Nobody sets the clock back and forward again while the model is hashed. Only root could.
//   A4  Nobody moves a directory above the model away and back, or mounts anything below it (only root could), while it
//       is hashed. The usual procedure misses moved directories too, and also bytes that are written through an old
//       mapping of a file without a new ctime (see SECURITY.md).
//
// Observations, in this order. Something is *old* if its ctime is earlier than B - MARGIN.
//   O1  The clock shows B.
//   O2  Each small file is opened by its path and read. Then it is old.
//   O3  The state of each file that is left is old.
//   O4  Each directory from the root of the model down to a file is old.
//   O5  The clock was not set back since B.
//
// Conclusions
//   C1  Whatever is seen to be old has not changed between B and that look: the change would have given it a ctime of
//       B - MARGIN or later (A1, A2), even if the clock had been set back by up to UNNOTICED (A3, O5).
//   C2  From B until O4, each path led to the same file: to replace, add, remove or move an entry gives its directory a
//       new ctime, and to move the root of the model gives the root a new ctime (C1 for O4; A4).
//   C3  So O2 read the bytes that the files had at B, and O3 found the states that the others had at B. hashFiles()
//       refuses these if their states are different after the last byte was read. All digests are of the moment B.
//
// A writer's change is either seen, because it comes before the look at what it marks, or harmless, because what was
// read before it is still what the file was at B. interleavings.test.ts tries all orders.

/** The coarsest ctimes of a local file system, in milliseconds: ext3 keeps whole seconds. */
const RESOLUTION = 1_000
/** A clock that is set back by no more than this is not noticed, in milliseconds: clocks are adjusted all the time. */
const UNNOTICED = 1_000
const MARGIN = TICK + RESOLUTION + UNNOTICED

/** After leaving this much work, the quick procedure leaves the rest as well: the model does not consist of small files. */
const ENOUGH_LEFT = 16 * 1024 * 1024

/** One digest for each file. */
interface WholeDigests {
  /** Lowercase hex, in the order of the files. */
  digests: string[]
  bytes: number
}

/**
 * Hashes files whose states the caller does not need. As with {@link hashFiles}, all digests are of one moment. If the
 * calling thread hashes, the total of the progress is an estimate at first.
 *
 * @throws {@link ModelSealError} as {@link hashFiles}; `FILE_CHANGED` also if a file changed after the quick procedure
 * read it, or if a directory was replaced since its files were found
 */
export async function hashWholeFiles(files: readonly FoundFile[], given: HashOptions): Promise<WholeDigests> {
  const options = withoutPrototype(given)
  const { signal, onProgress } = options
  const report = onProgress && neverDecreasing(onProgress)
  // Files of the same directory are adjacent in the list.
  const onePerDirectory = files.filter(
    (file, index) => isInDirectory(file) && file.directory !== files[index - 1]?.directory,
  )
  const beginning = new Beginning(onePerDirectory) // O1
  const quick = withoutPrototype({ ...options, onProgress: report, beginning, onePerDirectory })
  let { digests, bytes } = await hashSmallFiles(files, quick) // O2
  let left = await statesOf(
    files.filter((_, index) => digests[index] === undefined),
    signal,
  )
  const isQuick = left.length < files.length
  if (isQuick && !(await isProven(left, quick))) {
    left = await statesOf(files, signal)
    const newer = left.find((file, index) => digests[index] !== undefined && !beginning.isOld(stateOf(file)))
    if (newer) throw changed(newer, 'it changed after it had been read')
    digests = []
    bytes = 0
  }
  await checkDirectories(onePerDirectory, signal)

  const jobs = left.map((file) => wholeFile(file))
  const results = await hashFiles(jobs, {
    ...options,
    mayBeElsewhere: true,
    onProgress: report && ((done, total) => report(bytes + done, bytes + total)),
  })
  let next = 0
  return {
    digests: files.map((_, index) => digests[index] ?? at(at(results, next++).digests, 0)),
    bytes: bytes + totalBytes(jobs),
  }
}

/** What the digests of the quick procedure depend on. */
interface Quick {
  beginning: Beginning
  onePerDirectory: readonly FoundFile[]
  signal?: AbortSignal | undefined
}

/** Whether nothing has changed since the beginning, seen after the small files were hashed. */
async function isProven(left: readonly SourceFile[], quick: Quick): Promise<boolean> {
  const { beginning } = quick
  if (!left.every((file) => beginning.isOld(stateOf(file)))) return false // O3
  if (!(await areDirectoriesOld(quick))) return false // O4
  return !beginning.clockWasSetBack() // O5
}

/** What `stat` says about the age of a file or directory. */
interface Seen {
  dev: number
  ctimeMs: number
}

/** The moment when hashing began (B). */
class Beginning {
  readonly #uptime = monotonic()
  readonly #time = wallClock()
  /** The device of the model: only its ctimes are known to be from the clock of this machine. */
  readonly #device: number

  constructor([first]: readonly FoundFile[]) {
    this.#device = Number(first?.directory?.dev)
  }

  /** If so, it has not changed since this moment (C1). False for NaN. */
  isOld({ dev, ctimeMs }: Seen): boolean {
    return dev === this.#device && ctimeMs < this.#time - MARGIN
  }

  clockWasSetBack(): boolean {
    return wallClock() - this.#time < monotonic() - this.#uptime - UNNOTICED
  }
}

function stateOf({ identity: { dev, ctimeNs } }: SourceFile): Seen {
  return { dev: Number(dev), ctimeMs: Number(ctimeNs) / 1e6 }
}

/** The digests of the small files that were old after they had been read, and the total size of these files. */
interface SmallDigests {
  /** Lowercase hex, in the order of the files; undefined for a file that is left. */
  digests: (string | undefined)[]
  bytes: number
}

/** Leaves all files if the model is on a file system that is not local, or if other threads or machines hash. */
async function hashSmallFiles(files: readonly FoundFile[], options: HashOptions & Quick): Promise<SmallDigests> {
  const { hashType, signal, onProgress, beginning } = options
  const small: SmallDigests = { digests: [], bytes: 0 }
  const [first] = options.onePerDirectory
  if (!first || elsewhere() || !callingThreadHashes(first.path)) return small
  // If a directory is not even old now, nothing can be proven later.
  if (!(await areDirectoriesOld(options))) return small

  const report = onProgress && guardedCallback(onProgress)
  const algorithm = ALGORITHMS[hashType]
  const chunk = chunkBuffer()
  let tried = 0
  let triedBytes = 0
  let left = 0
  const turns = new HashingTurns(async () => {
    if (tried > 0) report?.(small.bytes, Math.round((triedBytes / tried) * files.length))
    await nextTurn(signal)
  })
  for (let index = 0; index < files.length && left <= ENOUGH_LEFT; index++) {
    const file = at(files, index)
    if (isInDirectory(file) && !mayBeOld(file, index)) break
    if (turns.isDue()) await turns.take()
  }
  return small

  /** Hashes the file if it is small and old. @returns false if it is not old, and nothing can be proven */
  function mayBeOld(file: FoundFile, index: number): boolean {
    let fd: number | undefined
    try {
      fd = openListed(file)
      const length = readSync(fd, chunk, 0, CHUNK_BYTES, 0)
      const stat = fstatSync(fd)
      if (!stat.isFile() || !beginning.isOld(stat)) return false
      tried++
      triedBytes += stat.size
      if (length > 0 && length === stat.size) {
        small.digests[index] = algorithm.whole(chunk.subarray(0, length))
        small.bytes += length
      } else left += workOf(1, stat.size)
      return true
    } catch {
      return false // The usual procedure reports what is wrong with this file.
    } finally {
      if (fd !== undefined) closeSync(fd)
    }
  }
}

/** Whether the file was found in a directory, not behind a link. */
function isInDirectory(file: FoundFile): boolean {
  return Object.hasOwn(file, 'directory') && file.directory !== undefined
}

/** Whether every directory from the root of the model down to a file is old. */
async function areDirectoriesOld({ beginning, onePerDirectory, signal }: Quick): Promise<boolean> {
  const seen = new Set<string>()
  const turns = new HashingTurns(() => nextTurn(signal))
  for (const { directory } of onePerDirectory) {
    if (!directory) continue
    const { path: leaf, root } = directory
    for (let path = leaf; path.length >= root.length && !seen.has(path); path = dirname(path)) {
      if (!isOld(path)) return false
      seen.add(path)
    }
    if (turns.isDue()) await turns.take()
  }
  return true

  function isOld(path: string): boolean {
    try {
      const stat = lstatSync(path)
      return stat.isDirectory() && beginning.isOld(stat)
    } catch {
      return false
    }
  }
}

/** Refuses the model if any of its directories was replaced since the files were found. */
async function checkDirectories(onePerDirectory: readonly FoundFile[], signal: AbortSignal | undefined): Promise<void> {
  const turns = new HashingTurns(() => nextTurn(signal))
  for (const file of onePerDirectory) {
    checkDirectory(file)
    if (turns.isDue()) await turns.take()
  }
}

/** Reported progress never decreases, even if files are hashed again. */
function neverDecreasing(onProgress: ProgressCallback): ProgressCallback {
  let most = 0
  return (done, total) => {
    most = Math.max(most, done)
    onProgress(most, Math.max(most, total))
  }
}
