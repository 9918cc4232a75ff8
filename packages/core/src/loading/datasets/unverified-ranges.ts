import { open, type FileHandle } from 'node:fs/promises'
import { ModelSealError } from '../../errors.ts'
import { unreadable } from '../../source/file-errors.ts'
import { filePieces } from '../../source/local/file-pieces.ts'
import { changed } from '../../source/local/source-file.ts'
import { READ_ONLY } from '../../source/read-small-file.ts'
import type { OpenedModel } from '../verified-model.ts'
import { memoryFor, type Ranges } from './ranges.ts'

const PIECE_BYTES = 1024 * 1024

/** A file on this machine, or in memory. */
type Held = { path: string } | { bytes: Uint8Array<ArrayBuffer> }

/**
 * Reads ranges of files that a rule in the mode `audit` or `skip` opened unverified: from their paths, or if they are not on this machine, from
 * memory. Whatever the policy revokes is refused before a range is handed out.
 */
export class UnverifiedRanges implements Ranges {
  readonly #model: OpenedModel<unknown>
  readonly #held = new Map<string, Promise<Held>>()

  constructor(model: OpenedModel<unknown>) {
    this.#model = model
  }

  async size(name: string): Promise<number> {
    const held = await this.#heldOf(name)
    if ('bytes' in held) return held.bytes.length
    return withFile(name, held.path, async (file) => (await file.stat()).size)
  }

  async read(name: string, start: number, end: number): Promise<ArrayBuffer> {
    const held = await this.#heldOf(name)
    if ('bytes' in held) return held.bytes.slice(start, end).buffer
    const into = memoryFor(name, end - start)
    await withFile(name, held.path, async (file) => {
      let done = 0
      for await (const piece of filePieces(file, { start, end }, PIECE_BYTES)) {
        into.set(piece, done)
        done += piece.length
      }
      if (done < into.length) throw changed({ name, path: held.path }, 'it became shorter')
    })
    return into.buffer
  }

  async *pieces(name: string): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    const size = await this.size(name)
    for (let start = 0; start < size; start += PIECE_BYTES)
      yield new Uint8Array(await this.read(name, start, Math.min(start + PIECE_BYTES, size)))
  }

  clear(): void {
    this.#held.clear()
  }

  #heldOf(name: string): Promise<Held> {
    let held = this.#held.get(name)
    if (!held) {
      held = this.#find(name)
      this.#held.set(name, held)
      held.catch(() => this.#held.delete(name))
    }
    return held
  }

  async #find(name: string): Promise<Held> {
    try {
      return { path: await this.#model.path(name) }
    } catch (error) {
      // Not on this machine.
      if (!(error instanceof ModelSealError) || error.code !== 'ISOLATION_REFUSED') throw error
      return { bytes: await this.#model.read(name) }
    }
  }
}

async function withFile<T>(name: string, path: string, work: (file: FileHandle) => Promise<T>): Promise<T> {
  let file: FileHandle | undefined
  try {
    file = await open(path, READ_ONLY)
    return await work(file)
  } catch (error) {
    throw error instanceof ModelSealError ? error : unreadable(name, 'file', error)
  } finally {
    await file?.close()
  }
}
