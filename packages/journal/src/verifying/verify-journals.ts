import { ModelSealError, shown } from '@modelseal/core/errors'
import { openJournal, readCheckpointFile, verifyJournal, witnessKey, type JournalReport } from '@modelseal/core/journal'
import { allJournals, type JournalKeys } from '../all-journals.ts'

export interface VerifyJournalsOptions {
  /** Files with checkpoints that left their hosts, at most one of each journal. */
  checkpoints?: readonly string[] | undefined
  /** Keys of hosts, as `verifyJournal` takes them, by the directory of their journal. Default: the keys in the journals. */
  keys?: JournalKeys | undefined
  /** Key of a witness, which must have cosigned each of the checkpoints: a C2SP verifier key, or a file with one. */
  witnessKey?: string | undefined
  signal?: AbortSignal | undefined
}

/** A journal about which nothing can be said. */
export interface UnreadableJournal {
  holds: false
  directory: string
  error: ModelSealError
}

/**
 * Verifies any number of journals, one after the other. One that cannot be read does not keep the others from being verified.
 *
 * @param directories of journals, or of a collector, which contains journals
 * @throws {@link ModelSealError} `INVALID_ARGUMENT`, `KEY_INVALID`, `JOURNAL_INVALID` if a checkpoint is not one of these journals, `FILE_NOT_FOUND` and
 * `FILE_UNREADABLE` if it cannot be read, `ABORTED`
 * @example
 * ```ts
 * const journals = await verifyJournals(['/srv/journals'], { checkpoints: ['host-a.checkpoint', 'host-b.checkpoint'] })
 * for (const { directory, holds } of journals) console.log(directory, holds)
 * ```
 */
export async function verifyJournals(
  directories: readonly string[],
  { checkpoints = [], keys, witnessKey: witness, signal }: VerifyJournalsOptions = {},
): Promise<(JournalReport | UnreadableJournal)[]> {
  if (directories.length === 0) throw new ModelSealError('INVALID_ARGUMENT', 'No journal is given.')
  if (witness !== undefined && checkpoints.length === 0)
    throw new ModelSealError(
      'INVALID_ARGUMENT',
      'A key of a witness is of use only with a checkpoint that it cosigned.',
    )
  if (witness !== undefined) await witnessKey(witness)
  const journals = await allJournals(directories, keys)
  const files = await filesByOrigin(checkpoints)
  const origins = await originsOf(journals.keys())
  for (const [origin, file] of files) if (![...origins.values()].includes(origin)) throw unmatched(file, origin)
  const verified: (JournalReport | UnreadableJournal)[] = []
  for (const [directory, key] of journals) {
    const checkpoint = files.get(origins.get(directory) ?? '')
    const options = { checkpoint, witnessKey: checkpoint === undefined ? undefined : witness, key, signal }
    verified.push(await verifyJournal(directory, options).catch(asUnreadable(directory)))
  }
  return verified
}

async function filesByOrigin(checkpoints: readonly string[]): Promise<Map<string, string>> {
  const files = new Map<string, string>()
  for (const file of new Set(checkpoints)) {
    const { origin } = (await readCheckpointFile(file)).checkpoint
    const other = files.get(origin)
    if (other !== undefined)
      throw new ModelSealError(
        'INVALID_ARGUMENT',
        `The checkpoints ${shown(other)} and ${shown(file)} are of one journal.`,
        { hint: 'Give the one that covers more commits. The other can be compared in another call.' },
      )
    files.set(origin, file)
  }
  return files
}

/** By the directory of each journal that can be opened. */
async function originsOf(directories: Iterable<string>): Promise<Map<string, string>> {
  const origins = new Map<string, string>()
  for (const directory of directories) {
    const opened = await openJournal(directory).catch(() => undefined)
    if (opened) origins.set(directory, opened.origin)
  }
  return origins
}

function unmatched(file: string, origin: string): ModelSealError {
  return new ModelSealError(
    'JOURNAL_INVALID',
    `Cannot compare the checkpoint ${shown(file)}: its journal is not given.`,
    {
      file,
      found: shown(origin),
      hint: 'Name the directory of its journal, too. If it is named, its journal.json was replaced or cannot be read.',
    },
  )
}

function asUnreadable(directory: string) {
  return (error: unknown): UnreadableJournal => {
    if (error instanceof ModelSealError && error.code !== 'ABORTED') return { holds: false, directory, error }
    throw error
  }
}
