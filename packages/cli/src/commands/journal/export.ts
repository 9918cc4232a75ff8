import type { ExportedJournals, ExportFormat, ExportOptions } from '@modelseal/journal'
import { InvalidArgumentError, Option, type Command } from 'commander'
import { onJournals, timeOption, withJournals, type Journals, type JournalsFlags } from '../../journals.ts'
import { pathOption, withJson } from '../../options.ts'
import { summary } from '../../output.ts'
import { suggestion } from '../../suggestion.ts'
import { written, type Outcome, type Perform, type Session } from '../../perform.ts'

interface Flags extends JournalsFlags {
  format: ExportFormat
  since?: Date
  until?: Date
  type?: string[]
  output?: string
}

/** `modelseal journal export JOURNAL…` */
export function addJournalExport(journal: Command, perform: Perform): void {
  withJournals(withJson(journal.command('export'), 'with --output: print a JSON object about what was written'))
    .description('Write the records of journals in another format, for other systems.')
    .addOption(
      new Option('--format <format>', 'format of the records').choices(['json', 'cloudevents', 'csv']).default('json'),
    )
    .addOption(timeOption('--since <time>', 'only records from this time on'))
    .addOption(timeOption('--until <time>', 'only records before this time'))
    .addOption(
      new Option('--type <types>', 'only records of these types, separated by commas, such as load,end').argParser(
        (text: string) => text.split(','),
      ),
    )
    .addOption(pathOption('--output <file>', 'write them to this file, completely or not at all (default: print them)'))
    .addHelpText('after', HELP)
    .action((journals: string[], flags: Flags & { json?: boolean }, command: Command) => {
      if (flags.json && flags.output === undefined)
        command.error("error: '--json' needs '--output'; for records as JSON, use '--format json'")
      return onJournals(perform, run)(journals, flags, command)
    })
}

const HELP = `
Formats: "json" has one object a line, with the host, service and process of the record; "cloudevents" one event a line
(CloudEvents 1.0, JSON format); "csv" a table (RFC 4180). In a CSV file, an apostrophe comes before what a spreadsheet would
take for a formula, and control characters are escaped.

The records of each journal are verified while they are exported. They come segment by segment: those of one process are in
their order, those of several are not.

Exit code: 0 if all journals hold, and 1 if one does not: then records may be missing, and some may have been changed.

Examples:
  $ modelseal journal export /var/lib/modelseal/journal --format cloudevents --type load,end
  $ modelseal journal export journals/* --format csv --since 2026-11-01 --output loads.csv`

async function run({ journals, keys }: Journals, flags: Flags, { signal }: Session): Promise<Outcome> {
  const { format, since, until, type: types, output } = flags
  await refuseMisspelt(types)
  const options = { format, since, until, types, keys, signal }
  if (output === undefined) {
    const exported = await exportTo(journals, { ...options, write: written })
    return { lines: [], json: [], ...(await told(exported)) }
  }
  const { writeFileWhole } = await import('@modelseal/core/publishing')
  const { shown } = await import('@modelseal/core/errors')
  let exported: ExportedJournals | undefined
  const file = { what: 'export', failed: 'FILE_WRITE_FAILED', mode: 0o600 } as const
  await writeFileWhole(
    output,
    async (write) => {
      exported = await exportTo(journals, { ...options, write: (text) => write(text).then(() => true) })
    },
    file,
  )
  const { records = 0, complete = false, journals: reports = [] } = exported ?? {}
  return {
    lines: summary(`Wrote ${shown(output)}`, [['records', records.toLocaleString('en')]]),
    json: { result: { output, complete, records, journals: reports } },
    ...(exported && (await told(exported))),
  }
}

/** Types that are similar to none are refused by the export. */
async function refuseMisspelt(types: readonly string[] = []): Promise<void> {
  const { RECORD_TYPES } = await import('@modelseal/core/journal')
  for (const type of types) {
    const meant = RECORD_TYPES.some((known) => known === type) ? undefined : suggestion(type, RECORD_TYPES)
    if (meant !== undefined) throw new InvalidArgumentError(`Unknown type of records '${type}' ${meant}`)
  }
}

async function exportTo(journals: string[], options: ExportOptions): Promise<ExportedJournals> {
  const { exportJournals } = await import('@modelseal/journal')
  return exportJournals(journals, options)
}

/** What is not proven about the records. */
async function told({ complete, journals }: ExportedJournals): Promise<Pick<Outcome, 'notes' | 'exitCode'>> {
  const { problemLine } = await import('@modelseal/core/journal')
  const { shown } = await import('@modelseal/core/errors')
  const notes = journals.flatMap(({ directory, problems, more, uncovered, torn }) => [
    ...problems.map((problem) => `Journal ${shown(directory)} does not hold: ${problemLine(problem)}`),
    ...(more > 0 ? [`Journal ${shown(directory)} has ${more} more problems.`] : []),
    ...(uncovered > 0
      ? [`No checkpoint covers ${uncovered} ${uncovered === 1 ? 'record' : 'records'} of ${shown(directory)} yet.`]
      : []),
    ...(torn > 0 ? [`${torn} bytes of lines that were not completed are left out of ${shown(directory)}.`] : []),
  ])
  return { notes, ...(!complete && { exitCode: 1 }) }
}
