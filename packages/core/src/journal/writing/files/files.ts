import { randomBytes } from 'node:crypto'
import {
  closeSync,
  constants,
  existsSync,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  linkSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  writeFileSync,
  type Stats,
} from 'node:fs'
import { access, link, open, readdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { shown } from '../../../errors.ts'
import { errno } from '../../../source/file-errors.ts'
import { READ_ONLY } from '../../../source/read-small-file.ts'
import { invalidJournal } from '../failures.ts'
import { step, type FileWork } from './file-work.ts'

/**
 * Reads a file of a journal. Nothing that others put in its place is waited for, followed, or takes more memory than such a file.
 *
 * @param name of the file in the directory
 * @param maxBytes longer than any such file
 * @returns undefined if there is none
 * @throws {@link ModelSealError} `JOURNAL_INVALID` if it is larger, or not a regular file; what the operating system reports
 */
export function* readIfAny(directory: string, name: string, maxBytes: number): FileWork<string | undefined> {
  const path = join(directory, name)
  try {
    return yield* step(
      () => readNow(path, maxBytes),
      () => readSoon(path, maxBytes),
    )
  } catch (error) {
    if (errno(error) === 'ENOENT') return undefined
    if (error instanceof Unusual) throw invalidJournal(directory, `${shown(name)} ${error.message}`, error.details)
    if (SPECIAL.has(errno(error)))
      throw invalidJournal(directory, `${shown(name)} is not a regular file`, { cause: error })
    throw error
  }
}

export function* exists(path: string): FileWork<boolean> {
  return yield* step(
    () => existsSync(path),
    () =>
      access(path).then(
        () => true,
        () => false,
      ),
  )
}

export function* fileNames(directory: string): FileWork<string[]> {
  return yield* step(
    () => readdirSync(directory),
    () => readdir(directory),
  )
}

export function* remove(path: string): FileWork<void> {
  yield* step(
    () => rmSync(path, { force: true }),
    () => rm(path, { force: true }),
  )
}

/**
 * Creates a file that is complete as soon as it exists, unless another process was first.
 *
 * @returns false if the file exists already
 */
export function* createWhole(path: string, text: string): FileWork<boolean> {
  const temporary = yield* writeTemporary(path, text)
  try {
    yield* step(
      () => linkSync(temporary, path),
      () => link(temporary, path),
    )
  } catch (error) {
    if (errno(error) === 'EEXIST') return false
    throw error
  } finally {
    yield* remove(temporary)
  }
  yield* syncDirectory(dirname(path))
  return true
}

/** Creates or replaces a file, which is complete at every moment. */
export function* replaceWhole(path: string, text: string): FileWork<void> {
  const temporary = yield* writeTemporary(path, text)
  try {
    yield* step(
      () => renameSync(temporary, path),
      () => rename(temporary, path),
    )
  } catch (error) {
    yield* remove(temporary)
    throw error
  }
  yield* syncDirectory(dirname(path))
}

/** A link is not followed, except on Windows, which has no such flag. */
const OPENING = READ_ONLY | constants.O_NOFOLLOW
/** What opening a link, a socket, or a device without a driver fails with. */
const SPECIAL: ReadonlySet<string> = new Set(['ELOOP', 'EMLINK', 'ENXIO', 'ENODEV', 'EISDIR'])

/** A file that nobody who writes a journal makes. */
class Unusual extends Error {
  readonly details: { expected?: string; found?: string }

  constructor(message: string, details: { expected?: string; found?: string } = {}) {
    super(message)
    this.details = details
  }
}

function readNow(path: string, maxBytes: number): string {
  const fd = openSync(path, OPENING)
  try {
    const buffer = bufferFor(fstatSync(fd), maxBytes)
    let length = 0
    for (let more = 1; more > 0 && length < buffer.length; length += more)
      more = readSync(fd, buffer, length, buffer.length - length, length)
    return textIn(buffer, length, maxBytes)
  } finally {
    closeSync(fd)
  }
}

async function readSoon(path: string, maxBytes: number): Promise<string> {
  const handle = await open(path, OPENING)
  try {
    const buffer = bufferFor(await handle.stat(), maxBytes)
    let length = 0
    for (let more = 1; more > 0 && length < buffer.length; length += more)
      more = (await handle.read(buffer, length, buffer.length - length, length)).bytesRead
    return textIn(buffer, length, maxBytes)
  } finally {
    await handle.close()
  }
}

/** With a byte more than the file has, by which one that grows is noticed. */
function bufferFor(stat: Stats, maxBytes: number): Buffer {
  if (!stat.isFile()) throw new Unusual('is not a regular file')
  if (stat.size > maxBytes) throw tooLarge(stat.size, maxBytes)
  return Buffer.alloc(stat.size + 1)
}

function textIn(buffer: Buffer, length: number, maxBytes: number): string {
  if (length === buffer.length) throw new Unusual('grows while it is read', { expected: `at most ${maxBytes} bytes` })
  return buffer.toString('utf8', 0, length)
}

function tooLarge(bytes: number, maxBytes: number): Unusual {
  return new Unusual('is too large', { expected: `at most ${maxBytes} bytes`, found: `${bytes} bytes` })
}

function* writeTemporary(path: string, text: string): FileWork<string> {
  const temporary = join(dirname(path), `.${randomBytes(8).toString('hex')}.tmp`)
  try {
    yield* step(
      () => writeNow(temporary, text),
      () => writeSoon(temporary, text),
    )
    return temporary
  } catch (error) {
    yield* remove(temporary)
    throw error
  }
}

function writeNow(path: string, text: string): void {
  const fd = openSync(path, 'wx', 0o600)
  try {
    writeFileSync(fd, text)
    fdatasyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

async function writeSoon(path: string, text: string): Promise<void> {
  const handle = await open(path, 'wx', 0o600)
  try {
    await handle.writeFile(text)
    await handle.datasync()
  } finally {
    await handle.close()
  }
}

/** So that a new name survives a loss of power. Windows opens no directories. */
export function* syncDirectory(path: string): FileWork<void> {
  if (process.platform === 'win32') return
  yield* step(
    () => {
      const fd = openSync(path, 'r')
      try {
        fsyncSync(fd)
      } finally {
        closeSync(fd)
      }
    },
    async () => {
      const handle = await open(path, 'r')
      try {
        await handle.sync()
      } finally {
        await handle.close()
      }
    },
  )
}
