import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { ModelSealError, shown } from '../errors.ts'
import { copyHint } from '../source/private/copy-failure.ts'
import { errno } from '../source/file-errors.ts'
import type { SourceFile } from '../source/local/source-file.ts'
import { isZero } from '../source/local/zeros.ts'

/**
 * A copy of a file that uses no disk space for zeros: it has holes instead, so that a sparse file
 * of any size does not fill the disk.
 */
export class SparseCopy {
  readonly #path: string
  readonly #file: SourceFile
  readonly #fd: number
  #end = 0

  /**
   * @param path of the copy, which must not exist yet
   * @param file the original, named in messages
   * @throws {@link ModelSealError} `COPY_FAILED`
   */
  constructor(path: string, file: SourceFile) {
    this.#path = path
    this.#file = file
    this.#fd = this.#copying(() => openSync(path, 'wx', 0o600))
  }

  /** @throws {@link ModelSealError} `COPY_FAILED` */
  write(chunk: Uint8Array, position: number): void {
    if (isZero(chunk)) return
    this.#end = Math.max(this.#end, position + chunk.length)
    this.#copying(() => {
      for (let done = 0; done < chunk.length;)
        done += writeSync(this.#fd, chunk, done, chunk.length - done, position + done)
    })
  }

  /**
   * Sets the length of the copy, which nothing else does if the file ends with zeros.
   *
   * @throws {@link ModelSealError} `COPY_FAILED`
   */
  setLength(bytes: number): void {
    if (this.#end < bytes) this.#copying(() => ftruncateSync(this.#fd, bytes))
  }

  /** @throws {@link ModelSealError} `COPY_FAILED` if there was no space for the last bytes of the copy */
  close(): void {
    this.#copying(() => closeSync(this.#fd))
  }

  #copying<T>(write: () => T): T {
    try {
      return write()
    } catch (cause) {
      const { name } = this.#file
      throw new ModelSealError('COPY_FAILED', `Cannot write the private copy of ${shown(name)} (${errno(cause)}).`, {
        file: name,
        hint: copyHint(cause, dirname(this.#path)),
        cause,
      })
    }
  }
}
