import type { FeedEdited, FeedEntries } from '@modelseal/core/advisory'
import { InvalidArgumentError, Option, type Command } from 'commander'
import { nonEmpty, withJson } from '../../options.ts'
import type { Outcome, Perform } from '../../perform.ts'
import { entryLines } from './entry-lines.ts'

/** `modelseal advisory create|add|remove FILE`: the source of a feed. */
export function addFeedEditing(advisory: Command, perform: Perform): void {
  withJson(advisory.command('create'))
    .description('Create the source of a feed, which denies nothing yet: a file to edit and to sign.')
    .argument('<file>', NEW_SOURCE, nonEmpty)
    .requiredOption('--feed <name>', 'name or URI of the feed', nonEmpty)
    .addOption(expiresOption('how long services may rely on a signed version, such as 12h or P1M').default('7d'))
    .addHelpText(
      'after',
      '\nExample:\n  $ modelseal advisory create advisories.yaml --feed https://models.example/advisories',
    )
    .action(perform(create))
  withEntries(withJson(advisory.command('add')))
    .description('Add what is denied to the source of a feed. Comments in it stay.')
    .option('--reason <text>', 'why it is denied, shown to whoever is refused', nonEmpty)
    .addOption(
      new Option('--severity <severity>', 'shown to people; decides nothing').choices([
        'low',
        'medium',
        'high',
        'critical',
      ]),
    )
    .option('--from <time>', 'not for signatures that provably existed before this time', nonEmpty)
    .option('--until <time>', 'not for signatures that were provably made at this time or later', nonEmpty)
    .addHelpText('after', ADD_HELP)
    .action(perform(add))
  withEntries(withJson(advisory.command('remove')))
    .description('Remove entries from the source of a feed: its next version accepts them again.')
    .addHelpText(
      'after',
      '\nExample:\n  $ modelseal advisory remove advisories.yaml --package pkg:huggingface/acme/vad',
    )
    .action(perform(remove))
}

const NEW_SOURCE = 'path of the new file: YAML, or JSON if its name ends in .json'

/** A period of time that a version is valid. */
export function expiresOption(description: string): Option {
  return new Option('--expires <duration>', description).argParser(nonEmpty)
}

const ADD_HELP = `
Entries of several kinds can be added at once; they get the same reason, severity and period. A period concerns when a
signature was made, so attestations and packages have none.

Examples:
  $ modelseal advisory add advisories.yaml --key stolen.pub --reason "laptop stolen" --severity critical
  $ modelseal advisory add advisories.yaml --root-digest sha256:… --package pkg:huggingface/acme/vad@COMMIT
  $ modelseal advisory add advisories.yaml --identity me@models.example --issuer https://accounts.google.com`

interface EntryFlags {
  rootDigest: string[]
  fileDigest: string[]
  key: string[]
  certificate: string[]
  identity: string[]
  issuer?: string
  claim: string[]
  package: string[]
}

interface AddFlags extends EntryFlags {
  reason?: string
  severity?: 'low' | 'medium' | 'high' | 'critical'
  from?: string
  until?: string
}

function withEntries(command: Command): Command {
  return command
    .argument('<file>', 'source of the feed', nonEmpty)
    .addOption(repeated('--root-digest <digest>', 'model, by its root digest'))
    .addOption(
      repeated('--file-digest <digest>', 'file, by the digest of the whole file: SHA-256, blake2b:… or blake3:…'),
    )
    .addOption(repeated('--key <key>', 'key, by its SHA-256 fingerprint or by its file (PEM)'))
    .addOption(repeated('--certificate <certificate>', 'certificate, by its SHA-256 fingerprint or by its file'))
    .addOption(repeated('--identity <name>', 'signer, by a name in its certificate'))
    .option('--issuer <name>', 'with --identity: only if this issuer vouches for it', nonEmpty)
    .addOption(repeated('--claim <digest>', 'attestation, by the SHA-256 of its statement'))
    .addOption(repeated('--package <purl>', 'model, by its package URL; without a version, every version'))
}

function repeated(flags: string, description: string): Option {
  return new Option(flags, `${description}; may be repeated`)
    .argParser((text: string, all: string[]) => [...all, nonEmpty(text)])
    .default([], 'none')
}

async function create(file: string, { feed, expires }: { feed: string; expires: string }): Promise<Outcome> {
  const { createFeedSource } = await import('@modelseal/core/advisory')
  const { shown } = await import('@modelseal/core/errors')
  const source = await createFeedSource(file, { feed, expires })
  return {
    lines: [`Wrote ${shown(source)}`, 'It denies nothing yet. Add entries with "modelseal advisory add", or edit it.'],
    json: { result: { source, feed, expires } },
  }
}

async function add(file: string, { reason, severity, from, until, ...flags }: AddFlags): Promise<Outcome> {
  const { addToFeed } = await import('@modelseal/core/advisory')
  const why = { ...(reason !== undefined && { reason }), ...(severity && { severity }) }
  const when = { ...(from !== undefined && { from }), ...(until !== undefined && { until }) }
  const isTimed = from !== undefined || until !== undefined
  if (isTimed && (flags.claim.length > 0 || flags.package.length > 0))
    throw new InvalidArgumentError('The options --from and --until cannot be used with --claim or --package.')
  return edited(file, await addToFeed(file, entriesOf(flags, why, when)))
}

async function remove(file: string, flags: EntryFlags): Promise<Outcome> {
  const { removeFromFeed } = await import('@modelseal/core/advisory')
  return edited(file, await removeFromFeed(file, entriesOf(flags, {}, {})))
}

function entriesOf(
  flags: EntryFlags,
  why: { reason?: string; severity?: 'low' | 'medium' | 'high' | 'critical' },
  when: { from?: string; until?: string },
): FeedEntries {
  const { issuer } = flags
  if (issuer !== undefined && flags.identity.length === 0)
    throw new InvalidArgumentError('The option --issuer needs --identity.')
  const lists = {
    rootDigests: flags.rootDigest.map((digest) => ({ digest, ...why, ...when })),
    fileDigests: flags.fileDigest.map((digest) => ({ digest, ...why, ...when })),
    keys: flags.key.map((key) => ({ ...fingerprintOrFile(key), ...why, ...when })),
    certificates: flags.certificate.map((certificate) => ({ ...fingerprintOrFile(certificate), ...why, ...when })),
    identities: flags.identity.map((identity) => ({
      identity,
      ...(issuer !== undefined && { issuer }),
      ...why,
      ...when,
    })),
    claims: flags.claim.map((digest) => ({ digest, ...why })),
    packages: flags.package.map((purl) => ({ purl, ...why })),
  }
  const given = Object.entries(lists).filter(([, entries]) => entries.length > 0)
  if (given.length === 0)
    throw new InvalidArgumentError(
      'Name what is meant: --root-digest, --file-digest, --key, --certificate, --identity, --claim or --package.',
    )
  return Object.fromEntries(given)
}

/** Digits, as tools print them, are never the name of a file. */
function fingerprintOrFile(text: string): { fingerprint: string } | { file: string } {
  const digits = text.replace(/^sha-?256(?: fingerprint)?[:=] ?/i, '')
  return /^[0-9a-f]{2}(?:[: ]?[0-9a-f]{2}){31}$/i.test(digits) ? { fingerprint: text } : { file: text }
}

/** Reports what an edit changed. */
export async function edited(file: string, { added, changed, removed }: FeedEdited): Promise<Outcome> {
  const { shown } = await import('@modelseal/core/errors')
  const lines = [
    ...entryLines(added, shown, '+'),
    ...entryLines(changed, shown, '~'),
    ...entryLines(removed, shown, '-'),
  ]
  return {
    lines:
      lines.length === 0
        ? [`Nothing changed: ${shown(file)} denies all of it already.`]
        : [
            `Changed ${shown(file)}`,
            ...lines.map((line) => `  ${line}`),
            'Services learn of it once it is signed ("modelseal advisory sign") and published.',
          ],
    json: { result: { source: file, added, changed, removed } },
  }
}
