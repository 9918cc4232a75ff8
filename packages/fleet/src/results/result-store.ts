import { mkdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { codeOf, messageOf } from '@modelseal/core/any-realm'
import { ModelSealError, shown } from '@modelseal/core/errors'
import { writeFileWhole } from '@modelseal/core/publishing'

/** Lines longer than any record, together. */
const MAX_RECORD_BYTES = 1024 * 1024

/** What is kept. */
type Kind = 'results' | 'signed'

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
    const path = this.#path(kind, id)
    try {
      const bytes = await readFile(path)
      return bytes.length > MAX_RECORD_BYTES ? [] : bytes.toString().split('\n').filter(Boolean)
    } catch (cause) {
      if (codeOf(cause) === 'ENOENT') return []
      throw new ModelSealError('FILE_UNREADABLE', `Cannot read the result ${shown(path)}: ${messageOf(cause)}.`, {
        file: path,
        cause,
      })
    }
  }

  /** @throws {@link ModelSealError} `FILE_WRITE_FAILED` */
  async write(kind: Kind, id: string, lines: readonly string[]): Promise<void> {
    const path = this.#path(kind, id)
    try {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    } catch (cause) {
      throw new ModelSealError(
        'FILE_WRITE_FAILED',
        `Cannot create the directory ${shown(dirname(path))}: ${messageOf(cause)}.`,
        { file: dirname(path), cause },
      )
    }
    const content = Buffer.from(lines.map((line) => `${line}\n`).join(''))
    await writeFileWhole(path, content, { what: 'result', failed: 'FILE_WRITE_FAILED', mode: 0o600 })
  }

  #path(kind: Kind, id: string): string {
    return join(this.#directory, kind, id.slice(0, 2), id)
  }
}
