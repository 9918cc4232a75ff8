import type { WitnessedCheckpoint, WitnessEvent } from '@modelseal/journal'
import type { Command } from 'commander'
import { nonEmpty, pathOption, withJson } from '../../options.ts'
import { counted, jsonLine, printable, summary } from '../../output.ts'
import type { Outcome, Perform, Session } from '../../perform.ts'
import { interval } from './interval.ts'

interface Flags {
  to: string
  witnessKey: string
  output?: string
  key?: string
  follow?: boolean
  interval?: number
  json?: boolean
}

/** `modelseal journal witness DIRECTORY --to URL --witness-key KEY`: has checkpoints of a journal cosigned. */
export function addJournalWitnessing(journal: Command, perform: Perform): void {
  withJson(journal.command('witness'), 'print each event, and the result, as a JSON object on a line')
    .description('Have the newest checkpoint of a journal cosigned by a witness (C2SP tlog-witness).')
    .argument('<directory>', 'directory of the journal, or of a copy', nonEmpty)
    .requiredOption('--to <url>', 'submission prefix of the witness, such as https://witness.example', nonEmpty)
    .addOption(
      pathOption('--witness-key <key>', 'verifier key of the witness, or a file with it').makeOptionMandatory(),
    )
    .addOption(
      pathOption(
        '--output <file>',
        'file for the cosigned checkpoint (default: witnessed-HASH.checkpoint in the directory, with the hash of the key)',
      ),
    )
    .addOption(
      pathOption('--key <key>', 'verifier key of the host, or a file with it (default: the one in the journal)'),
    )
    .option('--follow', 'go on until it is ended, and wait while the witness is away')
    .option('--interval <duration>', 'time between two submissions, such as 30s or 1m (default)', interval)
    .addHelpText('after', HELP)
    .action(perform(witness))
}

const HELP = `
A witness remembers the newest checkpoint of each journal, and cosigns only one that continues it. So whoever has the key of the host
cannot rewrite what was witnessed, and "journal verify --checkpoint FILE --witness-key KEY" finds truncation and rollback. Records do not
leave the host: only the number of commits, and a hash. The witness must know the verifier key of the journal, the "key" in journal.json.

No private key is needed. Someone who has a copy of a journal can ask the witness whether it is the newest state.

Exit code: 0 if the checkpoint was cosigned; 130 or 143 if Ctrl-C or SIGTERM ended it; 1 if the witness could not be reached or refused,
among others because it has seen a newer state (JOURNAL_ROLLBACK) or another history (JOURNAL_INCONSISTENT).

Example:
  $ modelseal journal witness /var/lib/recognizer/journal --to https://witness.example --witness-key witness.vkey --follow`

async function witness(
  directory: string,
  { json, ...options }: Flags,
  { signal, talkative }: Session,
): Promise<Outcome> {
  const { witnessJournal } = await import('@modelseal/journal')
  const { shown } = await import('@modelseal/core/errors')
  let size: number | undefined
  const onEvent = (event: WitnessEvent) => {
    const isNew = 'error' in event || event.witnessed.size !== size
    if ('witnessed' in event) size = event.witnessed.size
    if (json) process.stdout.write(jsonLine({ ...event, time: new Date().toISOString() }))
    else if ('error' in event || (talkative && isNew)) process.stderr.write(`${printable(lineOf(event))}\n`)
  }
  const report = await witnessJournal(directory, { ...options, onEvent, signal })
  if (!report) return { lines: ['No checkpoint was cosigned.'], json: { result: {} } }
  return { lines: summary(titleOf(report), factsOf(report, shown)), json: { result: report } }
}

function lineOf(event: WitnessEvent): string {
  if ('witnessed' in event) return titleOf(event.witnessed)
  return `${event.error.code}: ${event.error.message} Trying again in ${Math.ceil(event.retryIn / 1_000)} s.`
}

function titleOf({ size }: WitnessedCheckpoint): string {
  return `Cosigned: a checkpoint over ${counted(size, 'commit')}`
}

function factsOf(
  { root, witness: name, time, file }: WitnessedCheckpoint,
  shown: (text: string) => string,
): (readonly [string, string])[] {
  return [
    ['root', `sha256:${root}`],
    ['witness', shown(name)],
    ['time', time],
    ['file', shown(file)],
  ]
}
