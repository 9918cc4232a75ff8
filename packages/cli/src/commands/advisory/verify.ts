import type { VerifiedFeed, Verifier } from '@modelseal/core/advisory'
import { InvalidArgumentError, type Command } from 'commander'
import { instanceOf, withInstance, type InstanceFlags } from '../../instance.ts'
import { chainOption, nonEmpty, pathOption, pathsOption, withJson } from '../../options.ts'
import { summary } from '../../output.ts'
import type { Outcome, Perform, Session } from '../../perform.ts'
import { count } from './entry-lines.ts'
import { versionFacts } from './show.ts'

interface Flags extends InstanceFlags {
  publicKey?: string
  certificateChain: string[]
  systemRoots?: boolean
  crl: string[]
  timestampAuthority: string[]
  identity?: string
  identityProvider?: string
}

/** `modelseal advisory verify FEED`, with options that name the signer. */
export function addFeedVerifying(advisory: Command, perform: Perform): void {
  withInstance(withJson(advisory.command('verify')))
    .description('Verify that a feed is signed by one signer, complete and still valid.')
    .argument('<feed>', 'the signed feed', nonEmpty)
    .addOption(pathOption('--public-key <path>', 'PEM file (SPKI) of the public key of the signer'))
    .addOption(chainOption('trusted root and optional intermediate certificates, PEM; may be repeated'))
    .option('--system-roots', 'trust the certificate authorities that this machine trusts')
    .addOption(pathsOption('--crl <path>', 'revocation list, PEM or DER; may be repeated'))
    .addOption(
      pathsOption('--timestamp-authority <path>', 'root certificate of a trusted timestamp authority; may be repeated'),
    )
    .option('--identity <identity>', 'with Sigstore: required signer, compared exactly', nonEmpty)
    .option('--identity-provider <url>', 'its OpenID Connect issuer, compared exactly', nonEmpty)
    .addHelpText('after', HELP)
    .action(perform(verify))
}

const HELP = `
Whether it is the latest version, only a service that follows the feed can tell.

Examples:
  $ modelseal advisory verify advisories.jsonl --public-key security.pub
  $ modelseal advisory verify advisories.jsonl --identity security@models.example \\
      --identity-provider https://accounts.google.com`

async function verify(path: string, flags: Flags, { signal }: Session): Promise<Outcome> {
  const { feedEntries, verifyFeed } = await import('@modelseal/core/advisory')
  const { shown } = await import('@modelseal/core/errors')
  const { feed, signer, time, signatures } = await verifyFeed(path, { verifier: verifierOf(flags), signal })
  const denied = (await feedEntries(feed)).length
  return {
    lines: summary(`Verified the feed ${shown(feed.feed)}`, [
      ['signer', `${signer.method} ${shown(signer.name)}`],
      ...(time ? [['signed', `before ${time.at}, according to ${shown(time.authority)}`] as const] : []),
      ...versionFacts(feed),
      ['denies', denied === 0 ? 'nothing' : count(denied)],
      ...(signatures > 1 ? [['signatures', otherSignatures(signatures)] as const] : []),
    ]),
    json: { result: resultOf({ feed, signer, ...(time ? { time } : {}), signatures }, denied) },
  }
}

function otherSignatures(signatures: number): string {
  return `${signatures}, of which one by this signer was verified`
}

function resultOf({ feed, ...others }: VerifiedFeed, denied: number): object {
  const { feed: name, sequence, issued, expires, digest } = feed
  return { feed: name, sequence, issued, expires, digest: `sha256:${digest}`, denied, ...others }
}

function verifierOf(flags: Flags): Verifier {
  const { publicKey, certificateChain, systemRoots, crl, timestampAuthority, identity, identityProvider } = flags
  const instance = [flags.useStaging, flags.trustConfig, flags.tufUrl, flags.tufRoot]
  const byCertificate = certificateChain.length > 0 || systemRoots === true || crl.length > 0
  const bySigstore = [identity, identityProvider, ...instance].some((flag) => flag !== undefined)
  if ([publicKey !== undefined, byCertificate, bySigstore].filter(Boolean).length !== 1) {
    throw new InvalidArgumentError(
      'Name one signer: --public-key, --certificate-chain, or --identity with --identity-provider.',
    )
  }
  if (publicKey !== undefined) return { publicKey, timestampAuthorities: timestampAuthority }
  if (byCertificate) return { certificateChain, systemRoots, crls: crl, timestampAuthorities: timestampAuthority }
  if (identity === undefined || identityProvider === undefined)
    throw new InvalidArgumentError('The options --identity and --identity-provider must be used together.')
  if (timestampAuthority.length > 0)
    throw new InvalidArgumentError('The option --timestamp-authority cannot be used with --identity.')
  return { identity, issuer: identityProvider, trustRoot: instanceOf(flags) }
}
