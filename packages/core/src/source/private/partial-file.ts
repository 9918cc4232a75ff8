import { constants } from 'node:fs'
import { mkdir, open, rename, rm, type FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import { ModelSealError, shown } from '../../errors.ts'
import { errno, systemCode, systemError } from '../file-errors.ts'
import { denialHint } from './access-denied.ts'

/** Number of bytes that are written at a time, and read when an earlier download is continued. */
const PIECE_BYTES = 512 * 1024
/** Neither follows a link nor waits for the reader of a FIFO. Windows has neither, nor the flags. */
const FLAGS = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK

/** Where a file is downloaded to. */
export interface Target {
  readonly name: string
  readonly path: string
  /** Path of the file until it is complete. */
  readonly partial: string
}

/**
 * A file that is downloaded into a directory of the caller. It gets its name only once all of it has been accepted. What an
 * interrupted download left is continued, but none of it is believed: it is read and hashed like bytes that arrive.
 */
export class PartialFile {
  readonly #path: string
  readonly #name: string
  readonly #handle: FileHandle
  /** Bytes of an earlier download. */
  #earlier: number
  /** Bytes that were added, written or not. */
  #length: number
  /** Bytes that were passed to the operating system. */
  #written: number
  /** Two pieces, one of which is filled while the other one is written. */
  #filling = Buffer.alloc(0)
  #spare = Buffer.alloc(0)
  #filled = 0
  #writing: Promise<void> = Promise.resolve()

  /**
   * @param path of the partial file; its directories are created
   * @param name of the file, for messages
   * @throws {@link ModelSealError} `FILE_WRITE_FAILED`
   */
  static async open(path: string, name: string): Promise<PartialFile> {
    return writing(path, name, async () => {
      await mkdir(dirname(path), { recursive: true })
      const handle = await open(path, FLAGS, 0o666)
      const stat = await handle.stat()
      if (stat.isFile() && stat.nlink === 1) return new PartialFile(path, name, handle, stat.size)
      await handle.close()
      throw systemError('EEXIST')
    })
  }

  private constructor(path: string, name: string, handle: FileHandle, earlier: number) {
    this.#path = path
    this.#name = name
    this.#handle = handle
    this.#earlier = earlier
    this.#length = earlier
    this.#written = earlier
  }

  /** How many bytes an earlier download left. */
  get earlier(): number {
    return this.#earlier
  }

  /** What an earlier download left. */
  async *earlierBytes(): AsyncGenerator<Uint8Array> {
    const end = this.#earlier
    for (let position = 0; position < end;) {
      const piece = Buffer.allocUnsafeSlow(Math.min(PIECE_BYTES, end - position))
      const { bytesRead } = await this.#handle.read(piece, 0, piece.length, position)
      if (bytesRead === 0) throw this.#failure(systemError('EIO'))
      position += bytesRead
      yield piece.subarray(0, bytesRead)
    }
  }

  /**
   * Adds a copy of the bytes. It is written while the next ones arrive.
   *
   * @returns the bytes
   * @throws {@link ModelSealError} `FILE_WRITE_FAILED`, also because earlier bytes could not be written
   */
  async add(chunk: Uint8Array): Promise<Uint8Array[]> {
    this.#length += chunk.length
    for (let rest = chunk; rest.length > 0;) {
      if (this.#filled === this.#filling.length) await this.#flush()
      const taken = rest.subarray(0, this.#filling.length - this.#filled)
      this.#filling.set(taken, this.#filled)
      this.#filled += taken.length
      rest = rest.subarray(taken.length)
    }
    return [chunk]
  }

  /**
   * Adds bytes, which must not change until that is done. They are written after those that were added earlier, so that what is
   * left after a failure has no gaps.
   *
   * @throws {@link ModelSealError} `FILE_WRITE_FAILED`, also because earlier bytes could not be written
   */
  write(piece: Uint8Array): Promise<void> {
    const start = this.#length
    const before = this.#writing
    this.#length += piece.length
    this.#written = this.#length
    this.#writing = writing(this.#path, this.#name, async () => {
      await before
      await writeAll(this.#handle, piece, start)
    })
    return this.#writing
  }

  /** Forgets everything, also what was left earlier. */
  async restart(): Promise<void> {
    if (this.#length === 0) return
    await this.#writing.catch(() => {})
    this.#filled = this.#earlier = this.#length = this.#written = 0
    this.#writing = Promise.resolve()
    await writing(this.#path, this.#name, () => this.#handle.truncate(0))
  }

  /** Gives the file its name, replacing what had it. */
  async place(path: string): Promise<void> {
    if (this.#filled > 0) await this.#flush()
    await this.#writing
    await writing(path, this.#name, async () => {
      await this.#handle.close()
      await mkdir(dirname(path), { recursive: true })
      await rename(this.#path, path)
    })
  }

  /** Leaves what has arrived for the next download. Never fails. */
  async leave(): Promise<void> {
    if (this.#filled > 0) await this.#flush().catch(() => {})
    await this.#writing.catch(() => {})
    await this.#handle.close().catch(() => {})
  }

  async discard(): Promise<void> {
    await this.#writing.catch(() => {})
    await this.#handle.close().catch(() => {})
    await rm(this.#path, { force: true })
  }

  /** Writes what was filled, after what is being written. Then the other piece is filled. */
  async #flush(): Promise<void> {
    await this.#writing
    const piece = this.#filling.subarray(0, this.#filled)
    const start = this.#written
    this.#written += this.#filled
    this.#filling = this.#spare.length > 0 ? this.#spare : Buffer.allocUnsafeSlow(PIECE_BYTES)
    this.#spare = piece.length > 0 ? Buffer.from(piece.buffer) : this.#spare
    this.#filled = 0
    this.#writing = writing(this.#path, this.#name, () => writeAll(this.#handle, piece, start))
    // Reported by the next call.
    this.#writing.catch(() => {})
  }

  #failure(cause: unknown): ModelSealError {
    return writeFailure(this.#path, this.#name, cause)
  }
}

/** A disk that is nearly full takes only some of it. The next write says why. */
async function writeAll(handle: FileHandle, piece: Uint8Array, start: number): Promise<void> {
  for (let done = 0; done < piece.length;) {
    const { bytesWritten } = await handle.write(piece, done, piece.length - done, start + done)
    if (bytesWritten === 0) throw systemError('ENOSPC')
    done += bytesWritten
  }
}

async function writing<T>(path: string, name: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    throw cause instanceof ModelSealError ? cause : writeFailure(path, name, cause)
  }
}

function writeFailure(path: string, name: string, cause: unknown): ModelSealError {
  return new ModelSealError('FILE_WRITE_FAILED', `Cannot write the file ${shown(name)}: ${errno(cause)}.`, {
    file: name,
    found: errno(cause),
    hint: `${remedy(cause, dirname(path))}.`,
    cause,
  })
}

function remedy(cause: unknown, directory: string): string {
  const where = shown(directory)
  switch (systemCode(cause)) {
    case 'ENOSPC':
      return `Free disk space on the file system of ${where}, and run the download again: it continues where it stopped`
    case 'EDQUOT':
      return `Remove files of this user, whose quota on the file system of ${where} is used up, and run the download again`
    case 'EFBIG':
      return 'Raise the maximum file size of this process (ulimit -f), or use a file system that allows larger files'
    case 'EROFS':
      return `Use a directory on a file system that is not read-only, unlike that of ${where}`
    case 'EEXIST':
    case 'ELOOP':
    case 'ENXIO':
      return `Remove ${where}: something other than a partial file is in it`
    default:
      return denialHint(cause, directory)?.replace(/\.$/, '') ?? `Check that this user may write to ${where}`
  }
}
