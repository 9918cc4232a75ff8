import type { Command } from 'commander'
import { nonEmpty, pathOption, withJson } from '../../options.ts'
import { byteCount, summary } from '../../output.ts'
import type { Outcome, Perform, Session } from '../../perform.ts'

interface Flags {
  olderThan: string
  dryRun?: boolean
  key?: string
}

/** `modelseal journal prune DIRECTORY --older-than 90d` */
export function addJournalPruning(journal: Command, perform: Perform): void {
  withJson(journal.command('prune'))
    .description('Delete old segments of a journal, which still holds afterwards.')
    .argument('<directory>', 'directory of the journal', nonEmpty)
    .requiredOption(
      '--older-than <duration>',
      'delete segments whose last record is older, such as 90d; at least 2d',
      nonEmpty,
    )
    .option('--dry-run', 'only say what would be deleted')
    .addOption(
      pathOption(
        '--key <key>',
        'private key that signs the checkpoints: a file or a PKCS#11 URI (default: the file in the directory)',
      ),
    )
    .addHelpText('after', HELP)
    .action(perform(prune))
}

const HELP = `
For each segment, a commit is signed that says that it was retired, with the root of its tree, so that "journal verify" still accepts
the journal, and a copy of the segment can still be verified. A journal that does not hold is not pruned. Segments that are being
written are never deleted: a process goes on in a new one after a day.

If the journal is sent to a collector, only what it has confirmed is deleted. With "retention" in the policy, the services prune their journals themselves.

Example:
  $ modelseal journal prune /var/lib/modelseal/journal --older-than 90d --dry-run`

async function prune(
  directory: string,
  { olderThan, dryRun = false, key }: Flags,
  { signal }: Session,
): Promise<Outcome> {
  const { pruneJournal } = await import('@modelseal/core/journal')
  const { shown } = await import('@modelseal/core/errors')
  const { segments } = await pruneJournal(directory, { olderThan, dryRun, key, signal })
  const bytes = segments.reduce((sum, segment) => sum + segment.bytes, 0)
  const records = segments.reduce((sum, segment) => sum + segment.records, 0)
  const count = `${segments.length} ${segments.length === 1 ? 'segment' : 'segments'}`
  const heading = `${dryRun ? 'Would delete' : 'Deleted'} ${count} of ${shown(directory)}`
  return {
    lines:
      segments.length === 0
        ? [heading]
        : summary(heading, [
            ['records', records.toLocaleString('en')],
            ['size', byteCount(bytes)],
            [
              'last written',
              segments
                .map(({ written }) => written)
                .sort()
                .at(-1) ?? '',
            ],
          ]),
    json: { result: { directory, dryRun, segments } },
  }
}
