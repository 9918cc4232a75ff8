import { closeSync, constants, fstatSync, openSync, writeSync } from 'node:fs'
import { errno, systemCode, systemError } from '../file-errors.ts'

/** A file that this process has open, and that another of its threads writes. */
export interface OpenFile {
  /** Absolute. */
  readonly path: string
  readonly dev: bigint
  readonly ino: bigint
}

/** An error of the operating system, which is passed on by its code. */
export class WriteError extends Error {
  readonly code: string

  constructor(cause: unknown) {
    super(errno(cause), { cause })
    this.code = errno(cause)
  }
}

/** Neither follows a link nor waits for the reader of a FIFO. Windows has neither, nor the flags. */
const FLAGS = constants.O_WRONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
/** The file may be written by its descriptor nevertheless. */
const ONLY_HERE: ReadonlySet<string | undefined> = new Set(['EACCES', 'EPERM', 'EMFILE', 'ENFILE'])

/**
 * Writes a file on a thread that did not create it. The thread has a descriptor of its own, because that of the other thread
 * could be closed, and its number reused for another file.
 */
export class ThreadFile {
  readonly #fd: number

  /**
   * @returns undefined if only the thread that created the file can write it
   * @throws {@link WriteError} if something else is at the path
   */
  static open({ path, dev, ino }: OpenFile): ThreadFile | undefined {
    const fd = attempt(() => openedOrNot(path))
    if (fd === undefined) return undefined
    const file = new ThreadFile(fd)
    try {
      const found = attempt(() => fstatSync(fd, { bigint: true }))
      if (found.dev === dev && found.ino === ino) return file
      throw new WriteError(systemError('EEXIST'))
    } catch (error) {
      closeSync(fd)
      throw error
    }
  }

  private constructor(fd: number) {
    this.#fd = fd
  }

  /** @throws {@link WriteError} */
  write(piece: Uint8Array, position: number): void {
    attempt(() => {
      for (let done = 0; done < piece.length;) {
        const written = writeSync(this.#fd, piece, done, piece.length - done, position + done)
        // A disk that is nearly full takes only some of it. The next write says why.
        if (written === 0) throw systemError('ENOSPC')
        done += written
      }
    })
  }

  /** @throws {@link WriteError} if the file system reports only now that it could not write something */
  close(): void {
    attempt(() => closeSync(this.#fd))
  }
}

function openedOrNot(path: string): number | undefined {
  try {
    return openSync(path, FLAGS)
  } catch (error) {
    if (ONLY_HERE.has(systemCode(error))) return undefined
    throw error
  }
}

function attempt<T>(work: () => T): T {
  try {
    return work()
  } catch (cause) {
    throw new WriteError(cause)
  }
}
