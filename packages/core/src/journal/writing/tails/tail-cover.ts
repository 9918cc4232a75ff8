import { open, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { clearTimeout, setTimeout, wallClock } from '../../../real-time.ts'
import { errno } from '../../../source/file-errors.ts'
import type { WritableJournal } from '../files/directory.ts'
import type { JournalAccess } from '../journal-access.ts'
import { coverTails } from './cover-tails.ts'

/** Empty. The time of its last change is that at which somebody last looked for tails. */
const COVERING = 'covering'

/** When a writer looks for tails, in milliseconds: after its first commit, and then rarely. Each time is up to twice as long, by chance. */
const [FIRST, NEXT] = [2_000, 10 * 60_000]
/** One process that looks is enough for all for so long. */
const CLAIMED = 60_000

/** Looks now and then for records that no commit covers, because their writer was killed, and commits them. It keeps no process alive. */
export class TailCover {
  readonly #access: JournalAccess
  /** Bytes of segments of which nothing is left to be covered. */
  readonly #done = new Map<string, number>()
  #timer: ReturnType<typeof setTimeout> | undefined
  #isEnded = false

  constructor(access: JournalAccess) {
    this.#access = access
  }

  /** Begins to look, unless it does already. */
  begin(): void {
    if (this.#timer === undefined) this.#later(FIRST)
  }

  end(): void {
    this.#isEnded = true
    clearTimeout(this.#timer)
  }

  #later(wait: number): void {
    this.#timer = setTimeout(() => void this.#look(), wait * (1 + Math.random()))
    this.#timer.unref()
  }

  async #look(): Promise<void> {
    const { journal, settings } = this.#access
    let wait = NEXT
    try {
      if (journal && (await claim(journal))) {
        const { host, checkpoints } = settings
        await coverTails(journal, { host, checkpoints, done: this.#done, isEnded: () => this.#isEnded })
      } else wait = CLAIMED
    } catch {
      // It also keeps the writer from committing its own head, which is reported.
    }
    if (!this.#isEnded) this.#later(wait)
  }
}

/** @returns false if another writer was here a moment ago */
async function claim({ path }: WritableJournal): Promise<boolean> {
  const file = join(path, COVERING)
  try {
    await (await open(file, 'wx', 0o600)).close()
    return true
  } catch (error) {
    if (errno(error) !== 'EEXIST') throw error
  }
  const age = wallClock() - (await stat(file)).mtimeMs
  // After a clock jumped back, it may lie in the future.
  if (age >= 0 && age < CLAIMED) return false
  await utimes(file, new Date(), new Date())
  return true
}
