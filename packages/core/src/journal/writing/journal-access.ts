import { ModelSealError } from '../../errors.ts'
import { systemError } from '../../source/file-errors.ts'
import type { Commit, SegmentHead } from '../format/commit.ts'
import { Commits } from './commits/commits.ts'
import { isDeleted, openDirectory, type WritableJournal } from './files/directory.ts'
import { failedJournal } from './failures.ts'
import { runSoon, type FileWork } from './files/file-work.ts'
import type { WriterSettings } from './settings/merged-settings.ts'
import type { Segment } from './segments/segment.ts'

/** A writer's access to its journal, which is opened when it is first needed. */
export class JournalAccess {
  readonly #settings: () => WriterSettings
  readonly #opened: (journal: WritableJournal) => void
  #journal: WritableJournal | undefined
  #commits: Commits | undefined
  #opening: Promise<WritableJournal> | undefined
  /** That the settings named when it was opened. */
  #key: string | undefined
  #keyFailure: ModelSealError | undefined
  #fault: ModelSealError | undefined

  /**
   * @param settings those that count at the moment
   * @param opened is called when it was opened
   */
  constructor(settings: () => WriterSettings, opened: (journal: WritableJournal) => void) {
    this.#settings = settings
    this.#opened = opened
  }

  get settings(): WriterSettings {
    return this.#settings()
  }

  /** Undefined if it is not open. */
  get journal(): WritableJournal | undefined {
    return this.#journal
  }

  get commits(): Commits | undefined {
    return this.#commits
  }

  /** Why a key that was named after the journal was opened is not its key. */
  get keyFailure(): ModelSealError | undefined {
    return this.#keyFailure
  }

  /**
   * Refuses what is required while nothing can be committed, because somebody changed a commit, or added one without the key.
   *
   * @throws {@link ModelSealError} `JOURNAL_INVALID`
   */
  async checkCommits(): Promise<void> {
    if (this.#fault && this.#commits) await this.#noticing(this.#commits.newest())
  }

  /**
   * Opens it, unless it is open.
   *
   * @throws {@link ModelSealError} `JOURNAL_INVALID`, `JOURNAL_FAILED`
   */
  async open(): Promise<WritableJournal> {
    if (this.#journal) return this.#journal
    this.#opening ??= this.#openNow().finally(() => (this.#opening = undefined))
    return this.#opening
  }

  /** Checks a key that was named after the journal was opened. */
  async checkKey(): Promise<void> {
    await this.#opening?.catch(() => {})
    if (!this.#journal || this.settings.key === this.#key) return
    await this.#openNow().catch((error: unknown) => {
      this.#keyFailure = failedJournal(this.settings.directory, error)
    })
  }

  /** Whether somebody deleted or moved it, or a segment of it. */
  isGone(segment: Segment): boolean {
    return !segment.isThere || this.#isDeleted
  }

  /**
   * Adds a head of a segment.
   *
   * @returns as {@link Commits.publish}
   */
  async publish(head: SegmentHead): Promise<Commit | undefined> {
    // Another journal that is there now must not get the commit.
    if (this.#isDeleted) throw systemError('ENOENT')
    return this.#commits && this.#noticing(this.#commits.publish(head))
  }

  async #noticing<T>(work: FileWork<T>): Promise<T> {
    try {
      const done = await runSoon(work)
      this.#fault = undefined
      return done
    } catch (error) {
      if (error instanceof ModelSealError && error.code === 'JOURNAL_INVALID') this.#fault = error
      throw error
    }
  }

  get #isDeleted(): boolean {
    return this.#journal !== undefined && isDeleted(this.#journal)
  }

  /** Somebody deleted it. */
  forget(): void {
    this.#journal = this.#commits = this.#fault = undefined
  }

  async #openNow(): Promise<WritableJournal> {
    const { directory, host, key } = this.settings
    const journal = await openDirectory({ directory, host, key })
    const commits = new Commits(journal, { checkpoints: () => this.settings.checkpoints })
    // The first commit tells the reason, if it cannot be made either.
    await this.#noticing(commits.newest()).catch(() => {})
    this.#journal = journal
    this.#commits = commits
    this.#key = key
    this.#keyFailure = undefined
    this.#opened(journal)
    return journal
  }
}
