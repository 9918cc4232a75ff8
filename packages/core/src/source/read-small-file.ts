import { constants } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { isAbsolute, resolve } from 'node:path'
import { kindOf, propertyOf } from '../any-realm.ts'
import { workingDirectory, workingDirectoryMissing } from '../absolute-path.ts'
import { ModelSealError, shown, type ErrorCode } from '../errors.ts'
import { checkObject } from '../kinds.ts'
import { isGone, unreadable } from './file-errors.ts'

/**
 * Waits for no writer of a FIFO; and does not make a terminal that of this process, with which its owner
 * could end it.
 */
export const READ_ONLY = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY

/** How to report what can go wrong with a small file. */
export interface SmallFile {
  /** What the file is, for the message: `public key`, `policy`, `signature bundle`. */
  what: string
  /** Largest size accepted, in bytes. */
  maxBytes: number
  notFound?: ErrorCode
  tooLarge?: ErrorCode
  hint?: string
}

/** How to report what can go wrong with a bundle. */
export const BUNDLE_FILE: Omit<SmallFile, 'maxBytes'> = {
  what: 'signature bundle',
  notFound: 'BUNDLE_NOT_FOUND',
  hint: 'Give the path of the bundle that the publisher made for this model.',
}

/** {@link readSmallFile}, or what takes its place where not everybody's file will do. */
export type ReadFile = (path: string, file: SmallFile) => Promise<Buffer<ArrayBuffer>>

/**
 * Reads a key, a policy or a bundle whole. Never waits on a FIFO, never reads a device or more
 * than `maxBytes`. A relative path is relative to the working directory at the call.
 *
 * @throws {@link ModelSealError} `INVALID_ARGUMENT` for what is no path, `FILE_NOT_FOUND` (or `notFound`), `FILE_TOO_LARGE` (or
 * `tooLarge`), `FILE_SPECIAL`, `FILE_UNREADABLE`
 */
export async function readSmallFile(path: string, file: SmallFile): Promise<Buffer<ArrayBuffer>> {
  return readerFromHere()(path, file)
}

/**
 * {@link readSmallFile} for a call that reads several files, one after the other: their paths are relative to the
 * working directory at the time of this call, wherever the process goes meanwhile. Messages keep the paths as they were given.
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
  checkObject(file, 'the kind of the file', 'an object with "what" and "maxBytes"', (given) => {
    return typeof propertyOf(given, 'what') === 'string' && typeof propertyOf(given, 'maxBytes') === 'number'
  })
  if (typeof path === 'string' && path !== '') return
  throw new ModelSealError('INVALID_ARGUMENT', `Invalid path of the ${file.what}.`, {
    expected: 'a string that is not empty',
    found: kindOf(path),
  })
}

/**
 * Reads a file that is open, as {@link readSmallFile} does, and closes it.
 *
 * @throws {@link ModelSealError} `FILE_TOO_LARGE` (or `tooLarge`), `FILE_SPECIAL`, `FILE_CHANGED`, `FILE_UNREADABLE`
 */
export async function readOpened(handle: FileHandle, path: string, file: SmallFile): Promise<Buffer<ArrayBuffer>> {
  try {
    const stat = await handle.stat()
    if (!stat.isFile()) {
      throw new ModelSealError('FILE_SPECIAL', `The ${file.what} ${shown(path)} is not a regular file.`, { file: path })
    }
    if (stat.size > file.maxBytes) throw tooLarge(path, file, `${stat.size} bytes`)

    // One byte more than is allowed, so that a file that grows is noticed, too.
    const buffer = Buffer.alloc(Math.min(stat.size, file.maxBytes) + 1)
    let length = 0
    while (length < buffer.length) {
      const { bytesRead } = await handle.read(buffer, length, buffer.length - length, length)
      if (bytesRead === 0) return buffer.subarray(0, length)
      length += bytesRead
    }
    throw new ModelSealError('FILE_CHANGED', `The ${file.what} ${shown(path)} grew while it was read.`, {
      file: path,
      hint: 'Write such files under another name and rename them into place.',
    })
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

/** The typed form of an operating system's error on the way to a small file. */
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
  return new ModelSealError(file.tooLarge ?? 'FILE_TOO_LARGE', `The ${file.what} ${shown(path)} is too large.`, {
    file: path,
    expected: `at most ${file.maxBytes} bytes`,
    found,
  })
}
