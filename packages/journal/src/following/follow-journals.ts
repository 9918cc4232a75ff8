import { setTimeout } from 'node:timers/promises'
import { ModelSealError } from '@modelseal/core/errors'
import { openJournal } from '@modelseal/core/journal'
import { keyFor, type JournalKeys } from '../all-journals.ts'
import { FollowedJournal, type Followed } from './followed-journal.ts'

export interface FollowOptions {
  /** Begin with the records from this time on. Default: only those that are appended from now on. */
  since?: Date | undefined
  /** Keys of hosts, as `verifyJournal` takes them, by the directory of their journal. Default: the keys in the journals. */
  keys?: JournalKeys | undefined
  /** Ends the iteration. */
  signal: AbortSignal
}

/** How often the journals are looked at, in milliseconds. Watching does not work on every file system. */
const INTERVAL = 500

/**
 * The records of journals as they are appended, also to segments that begin later. Each line is verified to follow the one before it, and
 * a problem is told once: a line or a file that was changed, cut or removed. Only `verifyJournal` verifies the checkpoints, and finds every
 * line that was changed after it was read.
 *
 * @param directories of the journals
 * @throws {@link ModelSealError} `INVALID_ARGUMENT`, `JOURNAL_INVALID`, `KEY_INVALID`, `KEY_MISMATCH`, `FILE_NOT_FOUND`, `FILE_UNREADABLE`
 * @example
 * ```ts
 * for await (const { record, problem } of followJournals(['/var/lib/modelseal/journal'], { signal })) console.log(record ?? problem)
 * ```
 */
export async function* followJournals(
  directories: readonly string[],
  { since, keys, signal }: FollowOptions,
): AsyncGenerator<Followed> {
  if (directories.length === 0) throw new ModelSealError('INVALID_ARGUMENT', 'No journal is given.')
  const journals: FollowedJournal[] = []
  for (const directory of new Set(directories)) {
    const journal = new FollowedJournal(await openJournal(directory, keyFor(directory, keys)))
    await journal.begin(since?.getTime() ?? Infinity)
    journals.push(journal)
  }
  const from = since?.toISOString() ?? ''
  const isOver = () => signal.aborted
  while (!isOver()) {
    for (const journal of journals)
      for await (const followed of journal.news()) {
        if (isOver()) return
        if (followed.problem || followed.record.record.time >= from) yield followed
      }
    await setTimeout(INTERVAL, undefined, { signal }).catch(() => {})
  }
}
