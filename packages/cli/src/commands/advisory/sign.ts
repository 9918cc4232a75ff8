import type { SignedFeed } from '@modelseal/core/advisory'
import type { Command } from 'commander'
import { nonEmpty, pathOption, withJson } from '../../options.ts'
import { summary } from '../../output.ts'
import type { Outcome, Perform } from '../../perform.ts'
import type { SigningMethod } from '../publish/signing-method.ts'
import { timestampOption, whoAndWhen, type SigningFlags } from '../publish/signing.ts'
import { expiresOption } from './edit.ts'
import { count, entryLines } from './entry-lines.ts'

interface Flags {
  output: string
  expires?: string
  addSignature?: boolean
  tsaUrl?: string
}

/** `modelseal advisory sign METHOD FILE --output FEED`. */
export function addFeedSigning(
  parent: Command,
  perform: Perform,
  { name, how, note = '', isDefault = false, ...method }: SigningMethod<SigningFlags>,
): void {
  const command = withJson(parent.command(name, { isDefault }))
    .description(`Sign a version of an advisory feed ${how}${note}.`)
    .argument('<file>', 'source of the feed', nonEmpty)
    .addOption(
      pathOption(
        '--output <path>',
        'the feed: a new file, or the previous version, which is replaced',
      ).makeOptionMandatory(),
    )
    .addOption(
      expiresOption('how long services may rely on it, such as 7d, 12h or P1M (default: as the source says)').conflicts(
        'addSignature',
      ),
    )
    .option('--add-signature', 'sign the version that is there as well, instead of making the next one')
    .addOption(timestampOption())
  method
    .withOptions(command)
    .addHelpText('after', SIGN_FEED_HELP)
    .action(
      perform<Flags & SigningFlags>(async (file, flags, session) => {
        const { signFeed } = await import('@modelseal/core/advisory')
        const { output, expires, addSignature, tsaUrl } = flags
        const { signer } = await method.signing(flags, session)
        const options = { signer, output, expires, addSignature, timestampAuthority: tsaUrl, signal: session.signal }
        return signingOutcome(await signFeed(file, options))
      }),
    )
}

export const SIGN_FEED_HELP = `
The sequence number is one higher than that of the version in the output. Keep that file: services refuse a feed whose
numbers start again. If it is lost, put the published version in its place first. Sign again before a version expires,
even if nothing has changed.

If services require several signers, the others add their signatures to the same version with --add-signature. It must
deny what the source denies, so each signs what they have read there.

Examples:
  $ modelseal advisory sign key advisories.yaml --output advisories.jsonl --private-key security.key
  $ modelseal advisory sign key advisories.yaml --output advisories.jsonl --private-key second.key --add-signature`

async function signingOutcome(signed: SignedFeed): Promise<Outcome> {
  const { feedEntries } = await import('@modelseal/core/advisory')
  const { shown } = await import('@modelseal/core/errors')
  const { output, feed, signatures, added, changes, missingSigners, signer, logEntries, time } = signed
  const denied = (await feedEntries(feed)).length
  const head = `${shown(feed.feed)}, version ${feed.sequence}`
  return {
    lines: [
      ...summary(added ? `Signed the feed ${head}` : `Already signed the feed ${head}: nothing was added`, [
        ['written to', shown(output)],
        ...whoAndWhen(signed, shown),
        ['signatures', `${signatures}`],
        ['issued', feed.issued],
        ['expires', feed.expires],
        ['denies', count(denied)],
        ['digest', `sha256:${feed.digest}`],
      ]),
      ...(changes ? changeLines(changes, shown) : []),
    ],
    json: {
      result: {
        output,
        feed: feed.feed,
        sequence: feed.sequence,
        issued: feed.issued,
        expires: feed.expires,
        digest: `sha256:${feed.digest}`,
        denied,
        signatures,
        added,
        changes,
        missingSigners,
        signer,
        logEntries,
        time,
      },
    },
    notes: missingSigners.map(
      (missing) =>
        `The previous version is also signed by ${missing}. Services that require this signer refuse the new version until "--add-signature" adds the signature.`,
    ),
  }
}

function changeLines(
  { added, changed, removed }: NonNullable<SignedFeed['changes']>,
  shown: (text: string) => string,
): string[] {
  const lines = [
    ...entryLines(added, shown, '+'),
    ...entryLines(changed, shown, '~'),
    ...entryLines(removed, shown, '-'),
  ]
  return [
    'Since the previous version:',
    ...(lines.length === 0 ? ['nothing changed'] : lines).map((line) => `  ${line}`),
  ]
}
