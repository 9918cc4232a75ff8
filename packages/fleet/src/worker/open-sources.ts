import { SourceHasher } from '@modelseal/core/distributed'

/** Models whose listings are kept: jobs of one model follow each other. */
const MOST_KEPT = 8
/** In seconds; then what a name means is asked for again. */
const KEPT_FOR = 60

interface Opened {
  readonly hasher: Promise<SourceHasher>
  readonly at: number
  users: number
  isKept: boolean
  closed: Promise<void> | undefined
}

/** Keeps the sources of the latest jobs open, so that a model in many jobs is listed once. */
export class OpenSources {
  readonly #opened = new Map<string, Opened>()

  async with<T>(source: string, work: (hasher: SourceHasher) => Promise<T>): Promise<T> {
    const opened = this.#open(source)
    opened.users += 1
    try {
      return await work(await opened.hasher)
    } catch (error) {
      // Perhaps the listing is out of date.
      this.#drop(source, opened)
      throw error
    } finally {
      opened.users -= 1
      await closeUnused(opened)
    }
  }

  async close(): Promise<void> {
    const all = [...this.#opened]
    for (const [source, opened] of all) this.#drop(source, opened)
    await Promise.all(all.map(([, opened]) => closeUnused(opened)))
  }

  #open(source: string): Opened {
    const now = process.uptime()
    const kept = this.#opened.get(source)
    if (kept && now - kept.at < KEPT_FOR) return kept
    if (kept) this.#drop(source, kept)
    const hasher = SourceHasher.open(source)
    // Its user reports the failure.
    hasher.catch(() => undefined)
    const opened: Opened = { hasher, at: now, users: 0, isKept: true, closed: undefined }
    this.#opened.set(source, opened)
    for (const [other, one] of this.#opened) if (this.#opened.size > MOST_KEPT) this.#drop(other, one)
    return opened
  }

  #drop(source: string, opened: Opened): void {
    if (this.#opened.get(source) === opened) this.#opened.delete(source)
    opened.isKept = false
    void closeUnused(opened)
  }
}

async function closeUnused(opened: Opened): Promise<void> {
  if (opened.isKept || opened.users > 0) return
  opened.closed ??= opened.hasher.then((hasher) => hasher.close()).catch(() => undefined)
  await opened.closed
}
