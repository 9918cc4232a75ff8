import type { FoundEntry, MonitorResult } from '@modelseal/core/monitor'
import { InvalidArgumentError, Option, type Command } from 'commander'
import { instanceOf, withInstance, type InstanceFlags } from '../../instance.ts'
import { nonEmpty, pathOption, withJson } from '../../options.ts'
import { summary } from '../../output.ts'
import type { Outcome, Perform, Session } from '../../perform.ts'

interface Flags extends InstanceFlags {
  identity: string[]
  identityPattern: string[]
  identityRegexp: string[]
  identityProvider?: string
  checkpoint?: string
  since?: string
  fromStart?: boolean
  log?: string
}

/** There are new entries to look at: neither a success nor a failure, for programs that run this one. */
const FOUND_EXIT_CODE = 3

/** `modelseal monitor --identity NAME --checkpoint FILE`: finds signatures in the name of an identity. */
export function addMonitor(program: Command, perform: Perform): void {
  withInstance(withJson(program.command('monitor')))
    .description('Find new signatures in the name of an identity in a transparency log (Rekor v2).')
    .addOption(textsOption('--identity <text>', 'e-mail address or URI, compared exactly; may be repeated'))
    .addOption(textsOption('--identity-pattern <glob>', 'glob that must match the whole identity; may be repeated'))
    .addOption(
      textsOption(
        '--identity-regexp <expression>',
        'regular expression that must match the whole identity; may be repeated',
      ),
    )
    .option('--identity-provider <url>', 'report only identities of this OpenID Connect issuer', nonEmpty)
    .addOption(
      pathOption(
        '--checkpoint <file>',
        'start from the checkpoint in this file, and replace it at the end; the first run creates it',
      ).conflicts(['since', 'fromStart']),
    )
    .addOption(
      pathOption('--since <file>', 'start from the checkpoint in this file, and leave it as it is').conflicts(
        'fromStart',
      ),
    )
    .option('--from-start', 'read the whole log')
    .option('--log <url>', 'URL of the log (default: the log of Rekor v2 in the trusted root, if it is the only one)')
    .addHelpText('after', HELP)
    .action((flags: Flags & { json?: boolean }, command: Command) =>
      perform((_, given: Flags, session) => monitor(given, session))('', flags, command),
    )
}

const HELP = `
It verifies that the log still contains everything that it contained at the earlier checkpoint, and that the new entries
are those that it signed. An entry does not say what was signed, only a digest. Rekor v2 states no times.

The first run, without an earlier checkpoint, reads no entries: it trusts the log as it is, and the next run starts there.
The checkpoint is saved only after everything was verified and reported.

Exit code: 0 if there is nothing new, 3 if new entries have the identity or could not be read, 1 if the log cannot be
read or is not to be trusted, 2 if the command line is wrong.

Examples:
  $ modelseal monitor --identity release@models.example --checkpoint log.checkpoint
  $ modelseal monitor --identity-pattern "https://github.com/org/models/**" --checkpoint log.checkpoint --json`

function textsOption(flags: string, description: string): Option {
  return new Option(flags, description)
    .argParser((text: string, texts: string[]) => [...texts, nonEmpty(text)])
    .default([], 'none')
}

async function monitor(flags: Flags, { signal }: Session): Promise<Outcome> {
  const {
    identity,
    identityPattern,
    identityRegexp,
    identityProvider: issuer,
    checkpoint,
    since,
    fromStart,
    log,
  } = flags
  const identities = [
    ...identity,
    ...identityPattern.map((pattern) => ({ pattern })),
    ...identityRegexp.map((regexp) => ({ regexp })),
  ]
  if (identities.length === 0)
    throw new InvalidArgumentError('Name an identity: --identity, --identity-pattern or --identity-regexp.')
  const { monitorLog, saveCheckpoint } = await import('@modelseal/core/monitor')
  const { shown } = await import('@modelseal/core/errors')
  const trustRoot = instanceOf(flags)
  const result = await monitorLog({ identities, issuer, trustRoot, log, checkpoint, since, fromStart, signal })
  const isNew = result.matches > 0 || result.unreadable > 0
  return {
    lines: [
      ...summary(headingOf(result, shown), factsOf(result, shown)),
      ...result.found.flatMap((one) => entryLines(one, shown)),
    ],
    json: { result: jsonOf(result) },
    notes: notesOf(result, flags, shown),
    ...(isNew && { exitCode: FOUND_EXIT_CODE }),
    ...(checkpoint !== undefined && { afterwards: () => saveCheckpoint(checkpoint, result.checkpoint) }),
  }
}

type Shown = (text: string) => string

function headingOf({ matches, log, isFirstRun }: MonitorResult, shown: Shown): string {
  if (isFirstRun) return `First run: from now on, new entries in ${shown(log)} are known`
  if (matches === 0) return `No new entry with a watched identity in ${shown(log)}`
  return `Found ${matches} new ${matches === 1 ? 'entry' : 'entries'} with a watched identity in ${shown(log)}`
}

function factsOf({ since, checkpoint, entries, matches, found, ...result }: MonitorResult, shown: Shown) {
  const { unreadable, unreadableAt } = result
  const range = `${since.size} to ${checkpoint.size - 1}, all verified`
  const positions = unreadableAt.join(', ') + (unreadable > unreadableAt.length ? ', …' : '')
  return [
    ['entries', entries === 0 ? 'none read' : range],
    [
      'checkpoint',
      `${checkpoint.size} entries of ${shown(checkpoint.origin)}, root ${checkpoint.root.toString('hex')}`,
    ],
    ...(unreadable > 0 ? [['unreadable', `${unreadable}, which could have the identity: ${positions}`] as const] : []),
    ...(matches > found.length ? [['listed', `the first ${found.length}`] as const] : []),
  ] as const
}

function entryLines(
  { index, kind, identity, issuer, certificate, issued, digest }: FoundEntry,
  shown: Shown,
): string[] {
  return summary(`Entry ${index}`, [
    ['identity', shown(identity)],
    ['provider', issuer === undefined ? 'none: the certificate is not one of Fulcio' : shown(issuer)],
    [
      'certificate',
      `sha256:${certificate.sha256}, ${issued ? 'issued by an authority of the trusted root' : 'not issued by an authority of the trusted root'}`,
    ],
    ['valid', `${certificate.notBefore} to ${certificate.notAfter}`],
    ['signed', `something with the ${shown(digest.algorithm)} digest ${digest.hex} (${kind})`],
  ])
}

function jsonOf({ since, checkpoint, ...result }: MonitorResult): object {
  const plain = ({ size, root }: { size: number; root: Buffer }) => ({ size, root: root.toString('hex') })
  const { origin, note } = checkpoint
  return { ...result, since: plain(since), checkpoint: { ...plain(checkpoint), origin, note } }
}

function notesOf({ isFirstRun, otherLogs }: MonitorResult, { checkpoint }: Flags, shown: Shown): string[] {
  return [
    ...(isFirstRun
      ? ['No entries were read: this log is trusted as it is now. --from-start reads the whole log.']
      : []),
    ...(isFirstRun && checkpoint === undefined ? ['The checkpoint is not saved without --checkpoint.'] : []),
    ...(otherLogs.length > 0
      ? [
          `Not read: ${otherLogs.map(shown).join(', ')}. A log of Rekor v2 needs a run of its own; those of Rekor v1 cannot be read.`,
        ]
      : []),
  ]
}
