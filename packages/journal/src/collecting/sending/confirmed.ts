import { join } from 'node:path'
import { readSmallFile } from '@modelseal/core/adapter'
import { codeOf } from '@modelseal/core/any-realm'
import { ModelSealError, shown } from '@modelseal/core/errors'
import {
  COLLECTED_FILE,
  MAX_COLLECTED_FILE,
  readCollected,
  segmentIdsIn,
  writeCollected,
  type Collected,
} from '@modelseal/core/journal'
import { syncDirectory, writeWhole } from '../durable.ts'
import type { CollectedState } from '../protocol.ts'

/** What a collector confirmed that it has stored of a journal; `collected.json` beside it remembers that. */
export class Confirmed {
  readonly #directory: string
  readonly #url: string
  #state: CollectedState
  readonly #bytes: Map<string, number>
  #saved: string | undefined

  private constructor(directory: string, url: string, collected: Collected | undefined) {
    const { size = 0, root = '', segments = {} } = collected ?? {}
    this.#directory = directory
    this.#url = url
    this.#state = { size, root }
    this.#bytes = new Map(Object.entries(segments))
  }

  /** What another collector confirmed does not count. An invalid file counts as none: everything is compared again. */
  static async read(directory: string, url: string): Promise<Confirmed> {
    const { text, collected } = await contentsOf(directory, url)
    const confirmed = new Confirmed(directory, url, collected)
    confirmed.#saved = text
    return confirmed
  }

  /** Adopts what other processes that send the journal to this collector have saved since. They may have sent what this one did not. */
  async refresh(): Promise<void> {
    const { text, collected } = await contentsOf(this.#directory, this.#url)
    if (text === this.#saved) return
    this.#saved = text
    for (const [segment, bytes] of Object.entries(collected?.segments ?? {}))
      this.#bytes.set(segment, Math.max(bytes, this.bytesOf(segment)))
  }

  get state(): CollectedState {
    return this.#state
  }

  bytesOf(segment: string): number {
    return this.#bytes.get(segment) ?? 0
  }

  setState(state: CollectedState): void {
    this.#state = state
  }

  setBytes(segment: string, bytes: number): void {
    this.#bytes.set(segment, bytes)
  }

  /** The collector and the host disagree: nothing is deleted until both were compared from the beginning. */
  distrust(): void {
    this.#bytes.clear()
  }

  /**
   * Writes what changed. Segments that were deleted are left out.
   *
   * @throws {@link ModelSealError} `FILE_WRITE_FAILED`, `FILE_UNREADABLE`
   */
  async save(): Promise<void> {
    const { size, root } = this.#state
    if (size === 0) return
    const here = new Set(await segmentIdsIn({ directory: this.#directory }))
    for (const segment of this.#bytes.keys()) if (!here.has(segment)) this.#bytes.delete(segment)
    const text = writeCollected({ format: 1, url: this.#url, size, root, segments: Object.fromEntries(this.#bytes) })
    if (text === this.#saved) return
    const file = join(this.#directory, COLLECTED_FILE)
    try {
      await writeWhole(file, text)
      await syncDirectory(this.#directory)
    } catch (cause) {
      throw new ModelSealError('FILE_WRITE_FAILED', `Cannot remember in ${shown(file)} what was collected.`, {
        file,
        ...(codeOf(cause) !== undefined && { found: codeOf(cause) }),
        hint: 'Check that this user may write to the directory, and that the disk has room. What was sent is sent again.',
        cause,
      })
    }
    this.#saved = text
  }
}

async function contentsOf(directory: string, url: string): Promise<{ text?: string; collected?: Collected }> {
  const text = await textOf(join(directory, COLLECTED_FILE))
  if (text === undefined) return {}
  const read = readCollected(text)
  return 'collected' in read && read.collected.url === url ? { text, collected: read.collected } : { text }
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    return String(await readSmallFile(path, { what: 'file of what was collected', maxBytes: MAX_COLLECTED_FILE }))
  } catch (error) {
    if (error instanceof ModelSealError && error.code === 'FILE_NOT_FOUND') return undefined
    throw error
  }
}
