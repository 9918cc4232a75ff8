import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import type { HttpContent } from '../../source/http/request.ts'
import type { PublishedFile } from './publication.ts'
import { changedFile } from './push-errors.ts'

const PIECE_BYTES = 256 * 1024

/**
 * The SHA-256 of a file in lowercase hex, which models signed with another hash do not have in their manifest.
 *
 * @throws {@link ModelSealError} `FILE_CHANGED`; errors of the file system
 */
export async function digestOfFile({ path }: PublishedFile, signal: AbortSignal | undefined): Promise<string> {
  const hash = createHash('sha256')
  for await (const piece of createReadStream(path, { highWaterMark: PIECE_BYTES, signal })) hash.update(piece as Buffer)
  return hash.digest('hex')
}

/** A file that is hashed once more while it is sent. Its last piece is sent only if it still is what was signed. */
export class HashedFile implements HttpContent {
  readonly type = 'application/octet-stream'
  readonly length: number
  readonly #file: PublishedFile
  readonly #sha256: string
  readonly #sent: (bytes: number) => void
  /** Why it was not sent to its end. */
  fault: Error | undefined

  /**
   * @param sha256 in lowercase hex
   * @param sent called with the bytes of each piece
   */
  constructor(file: PublishedFile, sha256: string, sent: (bytes: number) => void) {
    this.length = file.size
    this.#file = file
    this.#sha256 = sha256
    this.#sent = sent
  }

  async *chunks(): AsyncGenerator<Uint8Array> {
    try {
      yield* this.#checked()
    } catch (error) {
      this.fault = error as Error
      throw error
    }
  }

  async *#checked(): AsyncGenerator<Uint8Array> {
    const { name, path, size } = this.#file
    const hash = createHash('sha256')
    let bytes = 0
    let held: Buffer | undefined
    for await (const piece of createReadStream(path, { highWaterMark: PIECE_BYTES }) as AsyncIterable<Buffer>) {
      if (held) {
        yield held
        this.#sent(held.length)
      }
      hash.update(piece)
      bytes += piece.length
      if (bytes > size) throw changedFile(name, `more than ${size} bytes`)
      held = piece
    }
    if (bytes !== size) throw changedFile(name, `${bytes} bytes instead of ${size}`)
    const found = hash.digest('hex')
    if (found !== this.#sha256) throw changedFile(name, `sha256:${found}`)
    if (held) {
      yield held
      this.#sent(held.length)
    }
  }
}
