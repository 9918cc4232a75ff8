import { randomBytes } from 'node:crypto'
import {
  closeSync,
  existsSync,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  linkSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  type Stats,
} from 'node:fs'
import { access, link, open, readdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { errno } from '../../../source/file-errors.ts'
import { READ_ONLY } from '../../../source/read-small-file.ts'
import { step, type FileWork } from './file-work.ts'

/**
 * Reads a file, without waiting for the writer of a FIFO in its place.
 *
 * @returns undefined if there is none
 */
export function* readIfAny(path: string): FileWork<string | undefined> {
  try {
    return yield* step(
      () => readNow(path),
      () => readSoon(path),
    )
  } catch (error) {
    if (errno(error) === 'ENOENT') return undefined
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

function readNow(path: string): string {
  const fd = openSync(path, READ_ONLY)
  try {
    checkFile(fstatSync(fd))
    return readFileSync(fd, 'utf8')
  } finally {
    closeSync(fd)
  }
}

async function readSoon(path: string): Promise<string> {
  const handle = await open(path, READ_ONLY)
  try {
    checkFile(await handle.stat())
    return await handle.readFile('utf8')
  } finally {
    await handle.close()
  }
}

function checkFile(stat: Stats): void {
  if (!stat.isFile()) throw Object.assign(new Error('it is not a file'), { code: 'EINVAL' })
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
