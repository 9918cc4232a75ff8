import type { JournalReport } from '@modelseal/core/journal'
import type { Command } from 'commander'
import { nonEmpty, pathOption, withJson } from '../../options.ts'
import { counted, summary } from '../../output.ts'
import type { Outcome, Perform, Session } from '../../perform.ts'

interface Flags {
  checkpoint?: string
  key?: string
}

/** `modelseal journal verify DIRECTORY` */
export function addJournalVerifying(journal: Command, perform: Perform): void {
  withJson(journal.command('verify'))
    .description('Verify that no record of a journal was changed, removed or moved.')
    .argument('<directory>', 'directory of the journal', nonEmpty)
    .addOption(pathOption('--checkpoint <file>', 'checkpoint of this journal that left its host'))
    .addOption(
      pathOption('--key <key>', 'verifier key of the host, or a file with it (default: the one in the journal)'),
    )
    .addHelpText('after', HELP)
    .action(perform(verify))
}

const HELP = `
Without --checkpoint, whoever holds the key of the host could have written another journal, and anyone who can write to the directory
could have put an older state of it back. With a checkpoint that left the host, both are found. Without --key, the journal says itself
by which key it is signed, and someone who replaced all of it could have replaced the key.

Exit code: 0 if the journal holds, 1 if not.

Example:
  $ modelseal journal verify /var/lib/modelseal/journal --checkpoint backup/host-a.checkpoint`

async function verify(directory: string, { checkpoint, key }: Flags, { signal }: Session): Promise<Outcome> {
  const { problemLine, verifyJournal } = await import('@modelseal/core/journal')
  const { shown } = await import('@modelseal/core/errors')
  const report = await verifyJournal(directory, { checkpoint, key, signal })
  const { holds, problems, more } = report
  return {
    lines: [
      ...summary(`${holds ? 'Holds' : 'Does not hold'}: ${shown(report.directory)}`, facts(report, shown)),
      ...problems.map((problem) => `  ${problemLine(problem)}`),
      ...(more > 0 ? [`  and ${more} more problems`] : []),
    ],
    json: { result: report },
    notes: [
      ...(checkpoint === undefined
        ? ['Only a checkpoint that left the host shows truncation and rollback (--checkpoint).']
        : []),
      ...(report.pinned ? [] : ['The key is the one that the journal states (--key).']),
    ],
    ...(!holds && { exitCode: 1 }),
  }
}

function facts(report: JournalReport, shown: (text: string) => string): (readonly [string, string])[] {
  const { host, records, segments, retired, uncovered, torn, checkpoint, compared, key } = report
  return [
    ['host', shown(host)],
    ['records', `${records.toLocaleString('en')} in ${counted(segments, 'segment')}`],
    ...(retired > 0 ? [['retired', counted(retired, 'segment')] as const] : []),
    ['uncovered', uncovered === 0 ? 'none' : `the last ${counted(uncovered, 'record')}, which no checkpoint covers`],
    ...(torn > 0 ? [['incomplete', `${torn} bytes of lines that were not completed`] as const] : []),
    [
      'checkpoint',
      checkpoint ? `${counted(checkpoint.size, 'commit')}, ${checkpoint.time}, root sha256:${checkpoint.root}` : 'none',
    ],
    ...(compared === undefined ? [] : [['compared', `with a checkpoint over ${counted(compared, 'commit')}`] as const]),
    ['key', key],
  ]
}
