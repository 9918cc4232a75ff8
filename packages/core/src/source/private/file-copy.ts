import { mkdir, open, rm, type FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import { ModelSealError, shown } from '../../errors.ts'
import { copyHint } from './copy-failure.ts'
import { errno } from '../file-errors.ts'
import { isZero } from '../local/zeros.ts'

/**
 * A file that is written as its bytes arrive, in a private directory. Zeros are left out as holes, because a
 * server can send them compressed at almost no cost.
 */
export class FileCopy {
  readonly #path: string
  readonly #name: string
  readonly #handle: FileHandle
  #length = 0
  #written = 0

  /**
   * @param path path of the new file; its directories are created
   * @param name of the file, for messages
   * @throws {@link ModelSealError} `COPY_FAILED`
   */
  static async create(path: string, name: string): Promise<FileCopy> {
    const handle = await writing(path, name, async () => {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 })
      return open(path, 'wx', 0o600)
    })
    return new FileCopy(path, name, handle)
  }

  private constructor(path: string, name: string, handle: FileHandle) {
    this.#path = path
    this.#name = name
    this.#handle = handle
  }

  /** Adds bytes, which must not change until that is done. */
  async write(chunk: Uint8Array): Promise<void> {
    const start = this.#length
    const end = start + chunk.length
    this.#length = end
    if (isZero(chunk)) return
    await writing(this.#path, this.#name, async () => {
      for (let done = 0; done < chunk.length;) {
        const { bytesWritten } = await this.#handle.write(chunk, done, chunk.length - done, start + done)
        done += bytesWritten
      }
    })
    this.#written = Math.max(this.#written, end)
  }

  close(): Promise<void> {
    return writing(this.#path, this.#name, async () => {
      // If the last bytes are zeros, the file would otherwise be too short.
      if (this.#written < this.#length) await this.#handle.truncate(this.#length)
      await this.#handle.close()
    })
  }

  /** Forgets everything that was added. */
  async restart(): Promise<void> {
    if (this.#length === 0) return
    this.#length = this.#written = 0
    await writing(this.#path, this.#name, () => this.#handle.truncate(0))
  }

  /** Removes everything that was written. */
  async discard(): Promise<void> {
    await this.#handle.close().catch(() => {})
    await rm(this.#path, { force: true })
  }
}

async function writing<T>(path: string, name: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    throw new ModelSealError('COPY_FAILED', `Cannot copy the file ${shown(name)}: ${errno(cause)}.`, {
      file: name,
      hint: copyHint(cause, dirname(path)),
      cause,
    })
  }
}
