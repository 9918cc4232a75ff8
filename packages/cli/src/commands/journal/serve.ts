import type { CollectorEvent } from '@modelseal/journal'
import { InvalidArgumentError, type Command } from 'commander'
import { nonEmpty, pathOption, withJson } from '../../options.ts'
import { jsonLine, printable } from '../../output.ts'
import type { Outcome, Perform, Session } from '../../perform.ts'

interface Flags {
  directory: string
  tlsCert?: string
  tlsKey?: string
  clientCa?: string
  tokens?: string
  listen?: string
  plainHttp?: boolean
  maxJournals?: number
  json?: boolean
}

type ServingEvent = Omit<CollectorEvent, 'event'> & { event: CollectorEvent['event'] | 'listening' }

/** `modelseal journal serve --directory DIR …`: collects the journals of hosts. */
export function addJournalServing(journal: Command, perform: Perform): void {
  withJson(journal.command('serve'), 'print each event as a JSON object on a line')
    .description('Collect the journals of hosts over HTTPS, until it is ended (SIGTERM, SIGINT).')
    .addOption(
      pathOption(
        '--directory <directory>',
        'where the journals are stored, private to this user',
      ).makeOptionMandatory(),
    )
    .addOption(pathOption('--tls-cert <file>', 'certificate of this server and of its issuers (PEM)'))
    .addOption(pathOption('--tls-key <file>', 'private key of the certificate (PEM)'))
    .addOption(pathOption('--client-ca <file>', 'authorities that issue client certificates to hosts (PEM)'))
    .addOption(pathOption('--tokens <file>', 'tokens of hosts, a line for each: SHA-256-OF-TOKEN HOST [VERIFIER-KEY]'))
    .option('--listen <host:port>', 'where to listen (default: port 8443 of all addresses)', nonEmpty)
    .option('--plain-http', 'without TLS, which is accepted only on a loopback address')
    .option('--max-journals <count>', 'maximum number of journals (default: 1000)', count)
    .addHelpText('after', HELP)
    .action((flags: Flags, command: Command) =>
      perform((_, given: Flags, session) => serve(given, session))('', flags, command),
    )
}

const HELP = `
Each host writes only its own journals: those whose journal.json names the host of its token, or of its client certificate (its only
DNS name, or else its common name). The first checkpoint of a journal binds its key, unless the file of tokens names the key. Every
record and checkpoint is verified against what was collected before. What contradicts it is refused and reported on standard error, and
what the key of the journal signed is kept in its directory "evidence". With --json, each event is a JSON object on a line of standard output.

Examples:
  $ modelseal journal serve --directory journals --tls-cert server.pem --tls-key server.key --tokens tokens
  $ modelseal journal serve --directory journals --tls-cert server.pem --tls-key server.key --client-ca hosts.pem --listen :8443`

function count(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('Expected a positive integer.')
}

async function serve({ json, ...options }: Flags, { signal, talkative }: Session): Promise<Outcome> {
  const { createCollector } = await import('@modelseal/journal')
  const report = (event: ServingEvent) => {
    if (json) process.stdout.write(jsonLine(event))
    else if (talkative || event.event === 'refused' || event.event === 'failed')
      process.stderr.write(`${printable(textOf(event))}\n`)
  }
  const collector = await createCollector({ ...options, onEvent: report })
  report({ time: new Date().toISOString(), event: 'listening', message: collector.url })
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
  await collector.close()
  return { lines: ['Stopped.'], json: { result: { stopped: collector.url } } }
}

function textOf({ time, event, message, ...more }: ServingEvent): string {
  const { host, journal, code, evidence, unreported } = more
  const about = [host, journal, code].filter((part) => part !== undefined)
  const further = [
    ...(evidence === undefined ? [] : [`kept in ${evidence}`]),
    ...(unreported === undefined ? [] : [`and ${unreported} more such events`]),
  ]
  return [`${time} ${event}`, ...about, message, ...further].join(': ')
}
