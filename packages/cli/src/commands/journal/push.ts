import type { PushEvent, PushReport } from '@modelseal/journal'
import type { Command } from 'commander'
import { nonEmpty, pathOption, withJson } from '../../options.ts'
import { byteCount, counted, jsonLine, printable } from '../../output.ts'
import type { Outcome, Perform, Session } from '../../perform.ts'
import { interval } from './interval.ts'

interface Flags {
  to: string
  tokenFile?: string
  clientCert?: string
  clientKey?: string
  ca?: string
  follow?: boolean
  interval?: number
  json?: boolean
}

/** `modelseal journal push DIRECTORY --to URL`: sends a journal to a collector. */
export function addJournalPushing(journal: Command, perform: Perform): void {
  withJson(journal.command('push'), 'print each event, and the result, as a JSON object on a line')
    .description('Send a journal to a collector (modelseal journal serve), from where the last time ended.')
    .argument('<directory>', 'directory of the journal', nonEmpty)
    .requiredOption('--to <url>', 'URL of the collector, such as https://collector.example:8443', nonEmpty)
    .addOption(pathOption('--token-file <file>', 'token of this host, which only this user can read'))
    .addOption(pathOption('--client-cert <file>', 'client certificate of this host (PEM)'))
    .addOption(
      pathOption('--client-key <file>', 'private key of that certificate (PEM), which only this user can read'),
    )
    .addOption(pathOption('--ca <file>', 'authorities of the certificate of the collector (default: those of Node.js)'))
    .option('--follow', 'go on until it is ended, and wait while the collector is away')
    .option('--interval <duration>', 'time between two looks at the journal, such as 5s (default) or 1m', interval)
    .addHelpText('after', HELP)
    .action(perform(push))
}

const HELP = `
The collector verifies everything against what it has, and the answer must be a checkpoint of this journal. What it confirmed is
remembered in collected.json beside the journal: with "collected: true" in its settings, nothing else is deleted. While the collector
is away, the journal just grows.

Exit code: 0 if everything was sent; 130 or 143 if Ctrl-C or SIGTERM ended it; 1 if the collector could not be reached, or one of the two journals is older
than before or was rewritten (JOURNAL_ROLLBACK, JOURNAL_INCONSISTENT).

Example:
  $ modelseal journal push /var/lib/recognizer/journal --to https://collector.example:8443 --token-file token --follow`

async function push(directory: string, { json, ...options }: Flags, { signal, talkative }: Session): Promise<Outcome> {
  const { pushJournal } = await import('@modelseal/journal')
  const onEvent = (event: PushEvent) => {
    if (json) process.stdout.write(jsonLine({ ...event, time: new Date().toISOString() }))
    else if (talkative || 'error' in event) process.stderr.write(`${printable(lineOf(event))}\n`)
  }
  const report = await pushJournal(directory, { ...options, onEvent, signal })
  return { lines: [textOf(report)], json: { result: report } }
}

function lineOf(event: PushEvent): string {
  if ('sent' in event) return textOf(event.sent)
  return `${event.error.code}: ${event.error.message} Trying again in ${Math.ceil(event.retryIn / 1_000)} s.`
}

function textOf({ bytes, commits, size }: PushReport): string {
  return `Sent ${byteCount(bytes)} of records and ${counted(commits, 'commit')}. The collector has ${counted(size, 'commit')}.`
}
