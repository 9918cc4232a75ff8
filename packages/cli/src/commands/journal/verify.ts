import type { JournalReport } from '@modelseal/core/journal'
import type { UnreadableJournal } from '@modelseal/journal'
import type { Command } from 'commander'
import { onJournals, withJournals, type Journals, type JournalsFlags } from '../../journals.ts'
import { pathOption, pathsOption, withJson } from '../../options.ts'
import { columns, counted, summary } from '../../output.ts'
import type { Outcome, Perform, Session } from '../../perform.ts'

interface Flags extends JournalsFlags {
  checkpoint: string[]
  witnessKey?: string
}

/** `modelseal journal verify JOURNAL…` */
export function addJournalVerifying(journal: Command, perform: Perform): void {
  withJournals(withJson(journal.command('verify'), 'print a JSON object for each journal on a line'))
    .description('Verify that no record of journals was changed, removed or moved.')
    .addOption(
      pathsOption('--checkpoint <file>', 'checkpoint of one of the journals that left its host; may be repeated'),
    )
    .addOption(
      pathOption('--witness-key <key>', 'verifier key of the witness that cosigned each checkpoint, or a file with it'),
    )
    .addHelpText('after', HELP)
    .action(onJournals(perform, verify))
}

const HELP = `
The directory of a collector stands for all journals in it. With several journals, a table has a line for each. Each checkpoint is compared with
the journal that it names, and refused if that one is not given.

Without --checkpoint, whoever holds the key of the host could have written another journal, and anyone who can write to the directory
could have put an older state of it back. With a checkpoint that left the host, both are found. Without --key, the journal says itself
by which key it is signed, and someone who replaced all of it could have replaced the key.

With --witness-key, each checkpoint must be cosigned by that witness (modelseal journal witness). It counts wherever it was kept, because
the host cannot make one itself; that it is the newest one, only asking the witness again shows.

Exit code: 0 if all journals hold, 1 if one does not or cannot be read.

Examples:
  $ modelseal journal verify /var/lib/modelseal/journal --checkpoint backup/host-a.checkpoint
  $ modelseal journal verify /srv/collected --checkpoint backup/host-a.checkpoint --checkpoint backup/host-b.checkpoint`

type Verified = JournalReport | UnreadableJournal
type Shown = (text: string) => string

async function verify(
  { journals, keys }: Journals,
  { checkpoint: checkpoints, witnessKey }: Flags,
  { signal }: Session,
): Promise<Outcome> {
  const { verifyJournals } = await import('@modelseal/journal')
  const { problemLine } = await import('@modelseal/core/journal')
  const { shown } = await import('@modelseal/core/errors')
  const verified = await verifyJournals(journals, { checkpoints, witnessKey, keys, signal })
  const [only] = verified.length === 1 ? verified : []
  if (only && 'error' in only) throw only.error
  const problemsOf = ({ problems, more }: JournalReport) => [
    ...problems.map((problem) => `  ${problemLine(problem)}`),
    ...(more > 0 ? [`  and ${more} more problems`] : []),
  ]
  return {
    lines: only ? onlyOne(only, problemsOf(only), shown) : table(verified, problemsOf, shown),
    json: verified.map((result) => ({ ok: result.holds, result })),
    notes: notesOf(verified.flatMap((one) => ('error' in one ? [] : [one]))),
    ...(!verified.every(({ holds }) => holds) && { exitCode: 1 }),
  }
}

function onlyOne(report: JournalReport, problems: readonly string[], shown: Shown): string[] {
  const { holds, directory } = report
  return [...summary(`${holds ? 'Holds' : 'Does not hold'}: ${shown(directory)}`, facts(report, shown)), ...problems]
}

const HEADER = ['Journal', 'Host', 'Holds', 'Records', 'Uncovered', 'Commits', 'Compared']

function table(verified: readonly Verified[], problemsOf: (report: JournalReport) => string[], shown: Shown): string[] {
  const holding = verified.filter(({ holds }) => holds).length
  const rows = verified.map((one) => {
    if ('error' in one) return [shown(one.directory), '', 'unknown', '', '', '', '']
    const { directory, host, holds, records, uncovered, checkpoint, compared } = one
    const counts = [records, uncovered, checkpoint?.size ?? 0, compared ?? 0]
    return [shown(directory), shown(host), holds ? 'yes' : 'no', ...counts.map((count) => count.toLocaleString('en'))]
  })
  return [
    `${holding} of ${verified.length} journals hold`,
    ...columns([HEADER, ...rows]),
    ...verified
      .filter(({ holds }) => !holds)
      .flatMap((one) => [
        `${'error' in one ? 'Cannot be read' : 'Does not hold'}: ${shown(one.directory)}`,
        ...('error' in one ? [`  ${one.error.code}: ${one.error.message}`] : problemsOf(one)),
      ]),
  ]
}

function notesOf(reports: readonly JournalReport[]): string[] {
  const without = (lacking: readonly JournalReport[]) =>
    lacking.length < reports.length ? `; it is missing for ${counted(lacking.length, 'journal')}` : ''
  const alone = reports.filter(({ compared }) => compared === undefined)
  const unpinned = reports.filter(({ pinned }) => !pinned)
  return [
    ...(alone.length > 0
      ? [`Only a checkpoint that left the host shows truncation and rollback (--checkpoint${without(alone)}).`]
      : []),
    ...(unpinned.length > 0 ? [`The key is the one that the journal states (--key${without(unpinned)}).`] : []),
  ]
}

function facts(report: JournalReport, shown: Shown): (readonly [string, string])[] {
  const { host, records, segments, retired, uncovered, torn, checkpoint, compared, witness, key } = report
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
    ...(witness ? [['witness', `${shown(witness.name)} cosigned it at ${witness.time}`] as const] : []),
    ['key', key],
  ]
}
