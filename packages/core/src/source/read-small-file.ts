import { constants } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { isAbsolute, resolve } from 'node:path'
import { kindOf, propertyOf } from '../any-realm.ts'
import { refuseSecret, workingDirectory, workingDirectoryMissing } from '../absolute-path.ts'
import { ModelSealError, shown, type ErrorCode } from '../errors.ts'
import { checkObject } from '../kinds.ts'
import { isGone, unreadable } from './file-errors.ts'

/**
 * Does not wait for the writer of a FIFO, and does not make a terminal the controlling terminal of this process, which
 * would let its owner end the process.
 */
export const READ_ONLY = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY

/** How to report errors about a small file. */
export interface SmallFile {
  /** What the file is, for the message: `public key`, `policy`, `signature bundle`. */
  what: string
  /** Largest size accepted, in bytes. */
  maxBytes: number
  notFound?: ErrorCode
  tooLarge?: ErrorCode
  hint?: string
  /** True for a file to which others append: what is added while it is read is not read. */
  mayGrow?: boolean
}

/** How to report errors about a bundle. */
export const BUNDLE_TO_READ: Omit<SmallFile, 'maxBytes'> = {
  what: 'signature bundle',
  notFound: 'BUNDLE_NOT_FOUND',
  hint: 'Give the path of the bundle that the publisher provides for this model.',
}

/** How to report errors about a file of attestations. */
export const READ_CLAIMS: Omit<SmallFile, 'maxBytes'> = {
  what: 'file of attestations',
  notFound: 'BUNDLE_NOT_FOUND',
  tooLarge: 'ATTESTATIONS_TOO_LARGE',
  mayGrow: true,
}

/** {@link readSmallFile}, or a stricter function with the same signature. */
export type ReadFile = (path: string, file: SmallFile) => Promise<Buffer<ArrayBuffer>>

/**
 * Reads a whole key, policy or bundle. Never waits on a FIFO, and never reads a device or more than `maxBytes`.
 * Relative paths are resolved against the working directory at the time of the call.
 *
 * @throws {@link ModelSealError} `INVALID_ARGUMENT` for an invalid path, `FILE_NOT_FOUND` (or `notFound`),
 * `FILE_TOO_LARGE` (or `tooLarge`), `FILE_SPECIAL`, `FILE_UNREADABLE`
 */
export async function readSmallFile(path: string, file: SmallFile): Promise<Buffer<ArrayBuffer>> {
  return readerFromHere()(path, file)
}

/**
 * {@link readSmallFile} for several files: relative paths are resolved against the working directory at the time of
 * this call, even if the process changes it later. Messages show the paths as they were given.
 */
export function readerFromHere(): ReadFile {
  const directory = workingDirectory()
  return async (path, file) => {
    checkGiven(path, file)
    return readOpened(await opened(pathFrom(directory, path), path, file), path, file)
  }
}

function pathFrom(directory: string | undefined, path: string): string {
  if (isAbsolute(path)) return path
  if (directory === undefined) throw workingDirectoryMissing(shown(path))
  return resolve(directory, path)
}

/** @throws {@link ModelSealError} `INVALID_ARGUMENT` */
export function checkGiven(path: unknown, file: SmallFile): void {
  checkObject(file, 'the kind of file', 'an object with "what" and "maxBytes"', (given) => {
    return typeof propertyOf(given, 'what') === 'string' && typeof propertyOf(given, 'maxBytes') === 'number'
  })
  refuseSecret(path)
  if (typeof path === 'string' && path !== '') return
  throw new ModelSealError('INVALID_ARGUMENT', `Invalid path of the ${file.what}.`, {
    expected: 'a non-empty string',
    found: kindOf(path),
  })
}

/**
 * Reads an open file like {@link readSmallFile}, and closes it.
 *
 * @throws {@link ModelSealError} `FILE_TOO_LARGE` (or `tooLarge`), `FILE_SPECIAL`, `FILE_CHANGED`, `FILE_UNREADABLE`
 */
export async function readOpened(handle: FileHandle, path: string, file: SmallFile): Promise<Buffer<ArrayBuffer>> {
  try {
    const stat = await handle.stat()
    if (!stat.isFile()) {
      throw new ModelSealError(
        'FILE_SPECIAL',
        `Cannot read the ${file.what} ${shown(path)}: it is not a regular file.`,
        { file: path },
      )
    }
    if (stat.size > file.maxBytes) throw tooLarge(path, file, `${stat.size} bytes`)

    // One extra byte, to detect a file that grows.
    const buffer = Buffer.alloc(Math.min(stat.size, file.maxBytes) + 1)
    let length = 0
    while (length < buffer.length) {
      const { bytesRead } = await handle.read(buffer, length, buffer.length - length, length)
      if (bytesRead === 0) return buffer.subarray(0, length)
      length += bytesRead
    }
    if (file.mayGrow) return buffer.subarray(0, stat.size)
    throw new ModelSealError(
      'FILE_CHANGED',
      `Cannot read the ${file.what} ${shown(path)}: it grew while it was read.`,
      {
        file: path,
        hint: 'Write such files under a temporary name, then rename them.',
      },
    )
  } catch (error) {
    throw error instanceof ModelSealError ? error : unreadable(path, file.what, error)
  } finally {
    await handle.close()
  }
}

async function opened(path: string, given: string, file: SmallFile) {
  try {
    return await open(path, READ_ONLY)
  } catch (error) {
    throw notOpened(given, file, error)
  }
}

/** Wraps an operating system error about opening a small file. */
export function notOpened(path: string, file: SmallFile, cause: unknown, found?: string): ModelSealError {
  if (!isGone(cause)) return unreadable(path, file.what, cause)
  return new ModelSealError(file.notFound ?? 'FILE_NOT_FOUND', `There is no ${file.what} at ${shown(path)}.`, {
    file: path,
    found,
    hint: file.hint,
    cause,
  })
}

function tooLarge(path: string, file: SmallFile, found: string): ModelSealError {
  return new ModelSealError(
    file.tooLarge ?? 'FILE_TOO_LARGE',
    `Cannot read the ${file.what} ${shown(path)}: it is too large.`,
    {
      file: path,
      expected: `at most ${file.maxBytes} bytes`,
      found,
    },
  )
}
