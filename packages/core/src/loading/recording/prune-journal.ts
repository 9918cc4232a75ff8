import { ModelSealError, shown, withHint } from '../../errors.ts'
import type { SegmentHead } from '../../journal/format/commit.ts'
import { problemLine } from '../../journal/reading/problems.ts'
import { openJournal } from '../../journal/reading/open-journal.ts'
import { verifyJournal } from '../../journal/reading/verify-journal.ts'
import { Commits } from '../../journal/writing/commits/commits.ts'
import { openDirectory } from '../../journal/writing/files/directory.ts'
import { failedJournal } from '../../journal/writing/failures.ts'
import { runSoon } from '../../journal/writing/files/file-work.ts'
import { retireSegments } from '../../journal/writing/segments/retention.ts'
import { flag, signal as abortSignal, text } from '../../kinds.ts'
import { settingsOf } from '../../policy/journals/compile-journals.ts'
import { journalSchema } from '../../policy/journals/schema.ts'
import { snapshot, type Shape } from '../../snapshot.ts'
import { pathOrToken } from './enable-journal.ts'

export interface PruneOptions {
  /** Segments whose last record is older are deleted, such as `90d`; at least 2 days, because segments are written for a day. */
  olderThan: string
  /** Private key that signs the checkpoints: the path of a file, or a PKCS#11 URI. Default: the file in the directory. */
  key?: string | undefined
  /** True to delete nothing. */
  dryRun?: boolean | undefined
  signal?: AbortSignal | undefined
}

const SHAPE: Shape<PruneOptions> = { olderThan: text, key: pathOrToken, dryRun: flag, signal: abortSignal }

/** What was deleted, or would be. */
export interface PrunedJournal {
  segments: { segment: string; records: number; bytes: number; written: string }[]
}

/**
 * Deletes the old segments of a journal. For each, a commit is made that says so, with its last head, so that the journal still holds and
 * copies of the segments can be verified. The journal is verified first: evidence of a change is never deleted. If the journal was sent to a
 * collector, only what it confirmed is deleted.
 *
 * @throws {@link ModelSealError} `INVALID_ARGUMENT`, `JOURNAL_INVALID`, `JOURNAL_FAILED`, `FILE_NOT_FOUND`, `FILE_UNREADABLE`, `ABORTED`
 * @example
 * ```ts
 * const { segments } = await pruneJournal('/var/lib/modelseal/journal', { olderThan: '90d' })
 * ```
 */
export async function pruneJournal(directory: string, given: PruneOptions): Promise<PrunedJournal> {
  const { olderThan, key, dryRun = false, signal } = snapshot(given, SHAPE, 'pruneJournal')
  const retention = retentionOf(olderThan)
  const { holds, problems, directory: path } = await verifyJournal(directory, { signal })
  const [problem] = problems
  if (!holds)
    throw new ModelSealError('JOURNAL_INVALID', `Cannot prune the journal ${shown(directory)}: it does not hold.`, {
      ...(problem && { found: problemLine(problem) }),
      hint: 'Run "modelseal journal verify", and keep the directory as evidence.',
    })
  const { file } = await openJournal(path)
  const commit = dryRun ? () => Promise.resolve(false) : await committer(path, key)
  const rule = { retention, collected: false, byHand: true, dryRun }
  const heads = await retireSegments({ path, file }, rule, commit).catch((error: unknown) => {
    throw failedJournal(path, error)
  })
  return {
    segments: heads.map(({ segment, size: records, bytes, time }) => ({ segment, records, bytes, written: time })),
  }
}

function retentionOf(olderThan: string): number {
  const checked = journalSchema.check({ directory: '.', retention: olderThan })
  const { retention } = 'value' in checked ? settingsOf(checked.value, { base: '.', place: 'pruneJournal()' }) : {}
  if (retention !== undefined) return retention
  const reason = 'issues' in checked ? `: ${checked.issues[0].message}` : ''
  throw new ModelSealError('INVALID_ARGUMENT', `Cannot delete segments older than ${shown(olderThan)}${reason}.`)
}

async function committer(path: string, key: string | undefined) {
  const opened = await openDirectory({ directory: path, host: undefined, key }).catch((error: unknown) => {
    if (key !== undefined || !(error instanceof ModelSealError)) throw error
    throw withHint(error, 'If the key is in another file or on a PKCS#11 token, name it: the option "key", or "--key".')
  })
  const commits = new Commits(opened)
  return async (head: SegmentHead) => {
    try {
      return (await runSoon(commits.add(head))) !== undefined
    } catch (error) {
      // The token refused to sign.
      if (!(error instanceof ModelSealError) || !(error.cause instanceof ModelSealError)) throw error
      throw withHint(
        error,
        'Check the token and its PIN. A segment is deleted only after its end was signed, so this one was kept.',
      )
    }
  }
}
