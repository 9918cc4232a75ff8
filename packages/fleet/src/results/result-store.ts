import { mkdir, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { readSmallFile } from '@modelseal/core/adapter'
import { causeOf, codeOf, messageOf } from '@modelseal/core/any-realm'
import { ModelSealError, shown, type ErrorCode } from '@modelseal/core/errors'
import { writeFileWhole } from '@modelseal/core/publishing'

/** Lines longer than any record, together. */
const MAX_RECORD_BYTES = 1024 * 1024
/** More than any record has. */
const MOST_LINES = 8
/** There is no record, or something that cannot be one, such as a FIFO. */
const NO_RECORD: ReadonlySet<ErrorCode> = new Set(['FILE_NOT_FOUND', 'FILE_SPECIAL', 'FILE_TOO_LARGE', 'FILE_CHANGED'])

/** What is kept: digests, what was signed, and audits that were begun. */
type Kind = 'results' | 'signed' | 'audits'

/** Records of finished work in a directory, which outlives the queue. It is not trusted: whoever reads a record authenticates it. */
export class ResultStore {
  readonly #directory: string

  constructor(directory: string) {
    this.#directory = directory
  }

  /**
   * @param id SHA-256 in hex
   * @returns the lines of the record; none if there is no such record, or one that cannot be one
   * @throws {@link ModelSealError} `FILE_UNREADABLE`
   */
  async lines(kind: Kind, id: string): Promise<string[]> {
    try {
      const bytes = await readSmallFile(this.#path(kind, id), { what: 'result', maxBytes: MAX_RECORD_BYTES })
      const lines = bytes.toString().split('\n').filter(Boolean)
      return lines.length > MOST_LINES ? [] : lines
    } catch (error) {
      if (error instanceof ModelSealError && NO_RECORD.has(error.code)) return []
      throw error
    }
  }

  /** @throws {@link ModelSealError} `FILE_WRITE_FAILED` */
  async write(kind: Kind, id: string, lines: readonly string[]): Promise<void> {
    const path = this.#path(kind, id)
    const content = Buffer.from(lines.map((line) => `${line}\n`).join(''))
    // What a power cut loses is done again. That an audit was begun must not be forgotten.
    const mayBeLost = kind !== 'audits'
    const write = () =>
      writeFileWhole(path, content, { what: 'result', failed: 'FILE_WRITE_FAILED', mode: 0o600, mayBeLost })
    const isMade = await write().then(
      () => true,
      (error: unknown) => {
        if (codeOf(causeOf(error)) === 'ENOENT') return false
        throw error
      },
    )
    if (isMade) return
    await makeDirectory(dirname(path))
    await write()
  }

  /** Removes a record, if that is possible. */
  async remove(kind: Kind, id: string): Promise<void> {
    await rm(this.#path(kind, id), { force: true }).catch(() => undefined)
  }

  #path(kind: Kind, id: string): string {
    return join(this.#directory, kind, id.slice(0, 2), id)
  }
}

async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 })
  } catch (cause) {
    throw new ModelSealError('FILE_WRITE_FAILED', `Cannot create the directory ${shown(path)}: ${messageOf(cause)}.`, {
      file: path,
      cause,
    })
  }
}
