import { closeSync, fstatSync, openSync } from 'node:fs'
import { ModelSealError, shown } from '../../errors.ts'
import { errno } from '../file-errors.ts'
import type { Steps } from '../turns.ts'
import { fillFrom } from './fill-from.ts'

/** Bytes in memory or in a file, which a parser requests as it goes. */
export interface ByteSource {
  /** In bytes. */
  readonly length: number
  /** Bytes starting at an offset: at least `least`, or all that remain. Valid until the next call. */
  from(offset: number, least: number): Uint8Array
}

export function bytesInMemory(bytes: Uint8Array): ByteSource {
  return { length: bytes.length, from: (offset) => bytes.subarray(offset) }
}

/** Holds a few hundred fields of a model, so that a file is read in few calls. */
const WINDOW_BYTES = 64 * 1024

/**
 * Runs a parser over a file and reads only what the parser requests. Weights that it skips are not read.
 *
 * @param name of the file, for messages
 * @throws {@link ModelSealError} `FILE_UNREADABLE`, and what the parser throws
 */
export function* withBytesOfFile<T>(path: string, name: string, parse: (source: ByteSource) => Steps<T>): Steps<T> {
  const fd = reading(name, () => openSync(path, 'r'))
  try {
    const length = reading(name, () => fstatSync(fd).size)
    let window = Buffer.alloc(WINDOW_BYTES)
    return yield* parse({
      length,
      from(offset, least) {
        if (least > window.length) window = Buffer.alloc(least)
        return window.subarray(
          0,
          reading(name, () => fillFrom(fd, window, offset)),
        )
      },
    })
  } finally {
    closeSync(fd)
  }
}

function reading<T>(name: string, read: () => T): T {
  try {
    return read()
  } catch (cause) {
    throw new ModelSealError('FILE_UNREADABLE', `Cannot read the model file ${shown(name)}: ${errno(cause)}.`, {
      file: name,
      cause,
    })
  }
}
