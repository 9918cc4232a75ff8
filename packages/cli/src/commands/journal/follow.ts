import type { Command } from 'commander'
import { onJournals, timeOption, withJournals, type Journals, type JournalsFlags } from '../../journals.ts'
import { withJson } from '../../options.ts'
import { jsonLine, printable } from '../../output.ts'
import { written, type Outcome, type Perform, type Session } from '../../perform.ts'

interface Flags extends JournalsFlags {
  since?: Date
  json?: boolean
}

/** As after Ctrl-C, which is how this command ends. */
const INTERRUPTED = 130

/** `modelseal journal follow JOURNAL…` */
export function addJournalFollowing(journal: Command, perform: Perform): void {
  withJournals(withJson(journal.command('follow'), 'print each record as a JSON object on a line'))
    .description('Print the records of journals as they are appended, until it is interrupted.')
    .addOption(timeOption('--since <time>', 'begin with the records from this time on'))
    .addHelpText('after', HELP)
    .action((journals: string[], flags: Flags, command: Command) =>
      onJournals(perform, follow)(journals, flags, command),
    )
}

const HELP = `
Prints one line for each record, or with --json one object, as "journal export" does. It verifies that each line follows the one
before it, and says on standard error, or with --json as {"problem":…}, if lines were changed, cut or removed. Of a segment with such
a problem, nothing more is printed. Only "journal verify" verifies the checkpoints as well.

Exit code: 130 after Ctrl-C.

Example:
  $ modelseal journal follow /var/lib/modelseal/journal`

async function follow({ journals, keys }: Journals, { since, json }: Flags, { signal }: Session): Promise<Outcome> {
  const { followJournals } = await import('@modelseal/journal')
  const { problemLine } = await import('@modelseal/core/journal')
  const { shown } = await import('@modelseal/core/errors')
  const { RecordLines } = await import('../../incident/record-lines.ts')
  const lines = new RecordLines(shown)
  for await (const { directory, record, problem } of followJournals(journals, { since, keys, signal })) {
    if (problem && !json) {
      process.stderr.write(`${printable(`Journal ${shown(directory)} does not hold: ${problemLine(problem)}`)}\n`)
      continue
    }
    // One a minute for each process.
    if (record?.record.type === 'alive' && !json) continue
    const told = problem ? { problem: { directory, ...problem } } : record
    const text = json || problem ? jsonLine(told) : `${printable(lines.of(record))}\n`
    if (!(await written(text))) break
  }
  return { lines: [], json: [], exitCode: signal.aborted ? INTERRUPTED : 1 }
}
