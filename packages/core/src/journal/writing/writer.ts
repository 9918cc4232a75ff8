import { clearTimeout, setTimeout, turnOfLoop } from '../../real-time.ts'
import { systemCode, systemError } from '../../source/file-errors.ts'
import type { SegmentHead } from '../format/commit.ts'
import type { ModelSealError } from '../../errors.ts'
import { CommitPace } from './commits/commit-pace.ts'
import type { WritableJournal } from './files/directory.ts'
import { failedJournal } from './failures.ts'
import { JournalAccess } from './journal-access.ts'
import { MergedSettings, type WriterSettings } from './settings/merged-settings.ts'
import type { MadeRecords } from './records/record-maker.ts'
import { reportContradiction, reportFailure, reportWritten } from './reports.ts'
import { WaitingRecords, type ToRecord } from './records/waiting-records.ts'
import { retireSegments } from './segments/retention.ts'
import { Retries } from './retries.ts'
import { OwnSegment } from './segments/own-segment.ts'
import { isNew, type Prepared, type Segment } from './segments/segment.ts'
import type { JournalSettings } from './settings/settings.ts'
import { TailCover } from './tails/tail-cover.ts'
import { runNow } from './files/file-work.ts'

/** How often records are synced, in milliseconds. */
const INTERVAL = 200

/** The only writer of a thread for one journal. It appends to a segment of its own. */
export class JournalWriter {
  readonly #settings: MergedSettings
  readonly #access: JournalAccess
  readonly #waiting = new WaitingRecords()
  readonly #own: OwnSegment
  #isPumping = false
  #isPumpingLater = false
  /** What was taken from the queue, and its lines, once they were made. */
  #taken: { entries: readonly ToRecord[]; lines?: { prepared: Prepared; segment: Segment } } | undefined
  #isEnded = false
  readonly #retries = new Retries()
  #tick: ReturnType<typeof setTimeout> | undefined
  #isTicking = false
  readonly #pace = new CommitPace()
  readonly #tails: TailCover
  #committed: SegmentHead | undefined
  #starting: Promise<unknown> | undefined

  /** @param directory without links */
  constructor(settings: JournalSettings, directory = settings.directory) {
    this.#settings = new MergedSettings(directory, settings)
    this.#access = new JournalAccess(
      () => this.settings,
      (journal) => void this.#retire(journal),
    )
    this.#own = new OwnSegment(this.#access, this.#waiting)
    this.#tails = new TailCover(this.#access)
  }

  /** Those that count at the moment. */
  get settings(): WriterSettings {
    return this.#settings.merged
  }

  /** True if records wait, because the disk fails or is slow. */
  get isBehind(): boolean {
    return this.#waiting.length > 0
  }

  /** Opens the journal, and reports what is wrong with its settings. If opening fails, every entry tries it again; one that is required says so. */
  async start(isRequired = false): Promise<void> {
    this.#starting ??= this.#access.open().catch((error: unknown) => {
      if (!isRequired) this.#report(error)
    })
    await this.#starting
    await this.#access.checkKey()
    for (const found of [...this.#settings.contradictions, this.#access.keyFailure])
      if (found) reportContradiction(this.settings.directory, found)
  }

  /** Lets further settings of the journal count. */
  adopt(settings: JournalSettings): void {
    const before = this.settings
    if (!this.#settings.add(settings)) return
    const { service, host, retention, collected } = this.settings
    const isOther = retention !== before.retention || collected !== before.collected
    // Other writers must learn of it before they delete anything.
    if (isOther || service !== before.service || host !== before.host) this.#own.restate()
    if (isOther && this.#access.journal) void this.#retire(this.#access.journal)
  }

  /** @returns `JOURNAL_INVALID` if these settings contradict others, or the journal itself */
  contradictionOf(settings: JournalSettings): ModelSealError | undefined {
    const { keyFailure } = this.#access
    return this.#settings.contradictionOf(settings) ?? (settings.key === undefined ? undefined : keyFailure)
  }

  /** Records something soon. Only required entries, and those that wait for the disk, are to be waited for. */
  add(entry: ToRecord): void {
    if (this.#isEnded) {
      const error = new Error('the thread is exiting')
      entry.ended(entry.isRequired ? failedJournal(this.settings.directory, error) : undefined)
      return
    }
    if (!this.#waiting.add(entry, this.#retries.areAhead)) entry.ended(undefined)
    if (entry.isRequired || entry.isSynced) void this.#pump()
    else void this.#pumpLater()
  }

  /** Writes and commits everything at once: the thread exits. Does not throw. */
  endNow(last: readonly ToRecord[]): void {
    if (this.#isEnded) return
    this.#retries.end()
    this.#tails.end()
    clearTimeout(this.#tick)
    try {
      this.#isEnded = true
      const { entries = [], lines } = this.#taken ?? {}
      if (lines) lines.segment.writeNow(lines.prepared)
      else this.#waiting.putBack(entries)
      // Nothing was recorded, so there is nothing to end.
      if (!this.#own.now && this.#waiting.length === 0) return
      for (const entry of last) this.#waiting.add(entry, false)
      const { journal, commits } = this.#access
      if (!journal) throw new Error('the journal was not open yet')
      const segment = this.#current(journal)
      while (this.#waiting.length > 0 || this.#waiting.lost > 0) {
        const { records } = this.#own.make(this.#waiting.take(), segment)
        segment.writeNow(segment.prepare(records))
        this.#waiting.lost = 0
      }
      segment.writeNow(segment.prepare([{ type: 'close', time: new Date().toISOString() }]))
      segment.syncNow()
      const { lastHead } = segment
      if (lastHead && this.#access.isGone(segment)) throw systemError('ENOENT')
      if (commits && lastHead) runNow(commits.publish(lastHead))
      segment.close()
    } catch (error) {
      reportFailure(this.settings.directory, failedJournal(this.settings.directory, error), this.#waiting.length)
    }
  }

  /** Nobody waits for the lines to be made, which takes long for a model of many files. */
  async #pumpLater(): Promise<void> {
    if (this.#isPumpingLater) return
    this.#isPumpingLater = true
    await turnOfLoop()
    this.#isPumpingLater = false
    await this.#pump()
  }

  async #pump(): Promise<void> {
    if (this.#isPumping) return
    this.#isPumping = true
    try {
      while (!this.#isEnded && this.#waiting.length > 0 && (!this.#retries.areAhead || this.#waiting.isUrgent))
        await this.#writeSome()
    } finally {
      this.#isPumping = false
    }
  }

  async #writeSome(): Promise<void> {
    const entries = this.#waiting.take()
    this.#taken = { entries }
    let written: MadeRecords | undefined
    let segment: Segment | undefined
    try {
      segment = this.#current(await this.#opened(entries))
      if (this.#isEnded) return
      const made = this.#own.make(entries, segment)
      const prepared = segment.prepare(made.records)
      this.#taken = { entries, lines: { prepared, segment } }
      await segment.write(prepared)
      this.#taken = undefined
      this.#own.wrote(made)
      written = made
      if (entries.some(({ isSynced }) => isSynced)) await segment.sync()
      // Somebody may have deleted it while it was written.
      if (segment !== this.#own.now || this.#isMissed(entries)) throw systemError('ENOENT')
      this.#retries.end()
      reportWritten(this.settings.directory)
      for (const entry of entries) entry.ended(undefined)
      this.#tickSoon(INTERVAL)
    } catch (error) {
      this.#taken = undefined
      const isLost = segment !== undefined && (segment !== this.#own.now || this.#own.isGone)
      if (isLost && !this.#isEnded) this.#own.beginAnew(written)
      this.#failed(entries, error)
    }
  }

  /** What is required must not go to a file that was deleted since it was last looked at, nor where no commit can follow. */
  async #opened(entries: readonly ToRecord[]): Promise<WritableJournal> {
    const journal = await this.#access.open()
    if (entries.some(({ isRequired }) => isRequired)) await this.#access.checkCommits()
    if (!this.#isMissed(entries)) return journal
    this.#own.beginAnew()
    this.#report(systemError('ENOENT'))
    return this.#access.open()
  }

  /** Whether nobody would find what is required. */
  #isMissed(entries: readonly ToRecord[]): boolean {
    return entries.some(({ isRequired }) => isRequired) && this.#own.isGone
  }

  #current(journal: WritableJournal): Segment {
    return this.#own.current(journal, (before) => void this.#finish(before).then(() => this.#retire(journal)))
  }

  async #finish(segment: Segment): Promise<void> {
    try {
      if (segment.isDirty && !segment.isBroken) await segment.sync()
      const { lastHead } = segment
      if (lastHead) await this.#commit(lastHead)
    } catch (error) {
      this.#report(error)
    } finally {
      segment.close()
    }
  }

  async #retire(journal: WritableJournal): Promise<void> {
    const { retention, collected = false } = this.settings
    if (retention === undefined || retention === Infinity) return
    try {
      await retireSegments(journal, { retention, collected }, (head) => this.#commit(head))
    } catch (error) {
      this.#report(error)
    }
  }

  #tickSoon(after: number): void {
    if (this.#tick !== undefined || this.#isTicking) return
    this.#tick = setTimeout(() => void this.#sync(), after)
    this.#tick.unref()
  }

  /** Syncs what was written, and commits it if that was not done a moment ago. */
  async #sync(): Promise<void> {
    this.#tick = undefined
    const segment = this.#own.now
    if (!segment || segment.isBroken) return
    this.#isTicking = true
    let after = INTERVAL
    try {
      if (segment.isDirty) await segment.sync()
      const { wait } = this.#pace
      if (wait > 0) after = wait
      else if (segment === this.#own.now && segment.synced && isNew(segment.synced, this.#committed)) {
        if (!segment.isThere) throw systemError('ENOENT')
        await this.#commit(segment.synced)
      }
    } catch (error) {
      this.#pace.failed()
      if (!this.#isEnded && segment === this.#own.now && this.#own.isGone) this.#own.beginAnew()
      this.#report(error)
    } finally {
      this.#isTicking = false
    }
    // Another segment could not ask for this meanwhile.
    const isLeft = segment !== this.#own.now || segment.isDirty || isNew(segment.synced, this.#committed)
    if (isLeft) this.#tickSoon(segment.isDirty ? INTERVAL : after)
  }

  async #commit(head: SegmentHead): Promise<boolean> {
    this.#pace.begin()
    const commit = await this.#access.publish(head)
    this.#pace.succeeded(this.#access.commits?.signing ?? 0)
    if (commit && head.segment === this.#own.now?.id) this.#committed = head
    if (commit) this.#tails.begin()
    return commit !== undefined
  }

  /** What is required is refused now. The rest is tried again. */
  #failed(entries: readonly ToRecord[], error: unknown): void {
    const failure = failedJournal(this.settings.directory, error)
    this.#own.lostCode = failure.code === 'JOURNAL_FAILED' ? (systemCode(error) ?? 'UNKNOWN') : failure.code
    for (const entry of entries) entry.at.place = undefined
    const kept = entries.filter(({ isRequired }) => !isRequired)
    this.#waiting.putBack(kept)
    this.#report(failure, kept.length < entries.length)
    for (const entry of entries) entry.ended(entry.isRequired ? failure : undefined)
    this.#retries.later(() => void this.#pump())
  }

  #report(error: unknown, isThrown = false): void {
    const { directory } = this.settings
    reportFailure(directory, failedJournal(directory, error), this.#waiting.lost, isThrown)
  }
}
