import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { getSystemErrorName } from 'node:util'
import { ModelSealError, shown } from '../errors.ts'
import { copyHint } from '../source/private/copy-failure.ts'
import { errno, systemError } from '../source/file-errors.ts'
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
    if (this.#copying(() => writeSparse(this.#fd, chunk, position)))
      this.#end = Math.max(this.#end, position + chunk.length)
  }

  /**
   * Takes over from a thread that wrote the bytes before `position`. It may have begun to write more, which nobody hashed.
   *
   * @throws {@link ModelSealError} `COPY_FAILED`
   */
  takeOver(position: number): void {
    this.#copying(() => ftruncateSync(this.#fd, position))
  }

  /**
   * Sets the length of the copy, which nothing else does if the file ends with zeros.
   *
   * @param failure negative number of the error with which another thread closed the copy, or 0
   * @throws {@link ModelSealError} `COPY_FAILED`
   */
  finish(bytes: number, failure = 0): void {
    this.#copying(() => {
      if (failure !== 0) throw systemError(getSystemErrorName(failure))
      if (this.#end < bytes) ftruncateSync(this.#fd, bytes)
    })
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

/** Writes bytes to a new file, unless they are all zeros. @returns whether they were written */
export function writeSparse(fd: number, chunk: Uint8Array, position: number): boolean {
  if (isZero(chunk)) return false
  for (let done = 0; done < chunk.length;) done += writeSync(fd, chunk, done, chunk.length - done, position + done)
  return true
}
