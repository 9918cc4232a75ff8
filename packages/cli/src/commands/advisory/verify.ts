import type { AdvisoryFeed, FeedEntryVerdict, VerifiedFeed, Verifier } from '@modelseal/core/advisory'
import { InvalidArgumentError, type Command } from 'commander'
import { instanceOf, withInstance, type InstanceFlags } from '../../instance.ts'
import { chainOption, nonEmpty, pathOption, pathsOption, withJson } from '../../options.ts'
import { summary } from '../../output.ts'
import type { Outcome, Perform, Session } from '../../perform.ts'
import { count } from './entry-lines.ts'
import { versionFacts } from './show.ts'

interface Flags extends InstanceFlags {
  policy?: string
  publicKey?: string
  certificateChain: string[]
  systemRoots?: boolean
  crl: string[]
  timestampAuthority: string[]
  identity?: string
  identityProvider?: string
}

/** `modelseal advisory verify FEED`, with a policy or options that name the signer. */
export function addFeedVerifying(advisory: Command, perform: Perform): void {
  const command = withJson(advisory.command('verify'))
    .description('Verify that a feed is still valid, and signed as a policy requires or by one signer.')
    .argument('<feed>', 'the signed feed', nonEmpty)
    .addOption(
      pathOption('--policy <path>', 'trust policy of a service that follows the feed: its signers must have signed'),
    )
    .addOption(pathOption('--public-key <path>', 'PEM file (SPKI) of the public key of the signer'))
    .addOption(chainOption('trusted root and optional intermediate certificates, PEM; may be repeated'))
    .option('--system-roots', 'trust the certificate authorities that this machine trusts')
    .addOption(pathsOption('--crl <path>', 'revocation list, PEM or DER; may be repeated'))
    .addOption(
      pathsOption('--timestamp-authority <path>', 'root certificate of a trusted timestamp authority; may be repeated'),
    )
    .option('--identity <identity>', 'with Sigstore: required signer, compared exactly', nonEmpty)
    .option('--identity-provider <url>', 'its OpenID Connect issuer, compared exactly', nonEmpty)
  withInstance(command).addHelpText('after', HELP).action(perform(verify))
}

const HELP = `
With a policy, a feed is verified as a service verifies it: by the signers, the threshold and the revocations of the policy.
Each entry under "advisories" is tried, and one must accept the feed. Whether it is the latest version, only a service
that follows it can tell.

Examples:
  $ modelseal advisory verify advisories.jsonl --policy trust-policy.yaml
  $ modelseal advisory verify advisories.jsonl --public-key security.pub
  $ modelseal advisory verify advisories.jsonl --identity security@models.example \\
      --identity-provider https://accounts.google.com`

function verify(path: string, flags: Flags, session: Session): Promise<Outcome> {
  const { policy, ...others } = flags
  if (policy === undefined) return verifyBySigner(path, verifierOf(others), session)
  const [other] = namedSigners(others)
  if (other !== undefined || others.timestampAuthority.length > 0)
    throw new InvalidArgumentError(
      'The option --policy says who must have signed, so no other option can name a signer.',
    )
  return verifyByPolicy(path, policy, session)
}

async function verifyByPolicy(path: string, given: string, { signal }: Session): Promise<Outcome> {
  const { feedEntries, verifyFeed } = await import('@modelseal/core/advisory')
  const { shown, sentenceOf } = await import('@modelseal/core/errors')
  const { feed, policy, entries, signatures } = await verifyFeed(path, { policy: given, signal })
  const denied = (await feedEntries(feed)).length
  return {
    lines: summary(`Verified the feed ${shown(feed.feed)}`, [
      ['policy', shown(policy)],
      ...entries.map((entry) => entryFact(entry, shown, sentenceOf)),
      ...versionFacts(feed),
      ['denies', denied === 0 ? 'nothing' : count(denied)],
      ['signatures', `${signatures}`],
    ]),
    json: { result: { ...feedFacts(feed, denied), policy, entries, signatures } },
  }
}

function entryFact(
  { source, accepted, signers, error }: FeedEntryVerdict,
  shown: (text: string) => string,
  sentenceOf: (error: NonNullable<FeedEntryVerdict['error']>) => string,
): readonly [string, string] {
  if (accepted)
    return ['accepted as', `${shown(source)}, signed by ${signers.map(({ description }) => description).join(' and ')}`]
  return ['refused as', `${shown(source)}: ${error ? sentenceOf(error) : ''}`]
}

async function verifyBySigner(path: string, verifier: Verifier, { signal }: Session): Promise<Outcome> {
  const { feedEntries, verifyFeed } = await import('@modelseal/core/advisory')
  const { shown } = await import('@modelseal/core/errors')
  const { feed, signer, time, signatures } = await verifyFeed(path, { verifier, signal })
  const denied = (await feedEntries(feed)).length
  return {
    lines: summary(`Verified the feed ${shown(feed.feed)}`, [
      ['signer', `${signer.method} ${shown(signer.name)}`],
      ['signed by', signer.description],
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
  return { ...feedFacts(feed, denied), ...others }
}

function feedFacts({ feed, sequence, issued, expires, digest }: AdvisoryFeed, denied: number): object {
  return { feed, sequence, issued, expires, digest: `sha256:${digest}`, denied }
}

function verifierOf(flags: Flags): Verifier {
  const { publicKey, certificateChain, systemRoots, crl, timestampAuthority, identity, identityProvider } = flags
  const [named, another] = namedSigners(flags)
  if (named === undefined || another !== undefined) {
    throw new InvalidArgumentError(
      'Say who must have signed, in one way: --policy, --public-key, --certificate-chain, or --identity with --identity-provider.',
    )
  }
  if (publicKey !== undefined) return { publicKey, timestampAuthorities: timestampAuthority }
  if (named === 'certificate')
    return { certificateChain, systemRoots, crls: crl, timestampAuthorities: timestampAuthority }
  if (identity === undefined || identityProvider === undefined)
    throw new InvalidArgumentError('The options --identity and --identity-provider must be used together.')
  if (timestampAuthority.length > 0)
    throw new InvalidArgumentError('The option --timestamp-authority cannot be used with --identity.')
  return { identity, issuer: identityProvider, trustRoot: instanceOf(flags) }
}

/** The ways in which the options name a signer. */
function namedSigners(flags: Flags): ('key' | 'certificate' | 'identity')[] {
  const { publicKey, certificateChain, systemRoots, crl, identity, identityProvider } = flags
  const instance = [flags.useStaging, flags.trustConfig, flags.tufUrl, flags.tufRoot]
  return [
    ...(publicKey === undefined ? [] : ['key' as const]),
    ...(certificateChain.length > 0 || systemRoots === true || crl.length > 0 ? ['certificate' as const] : []),
    ...([identity, identityProvider, ...instance].some((flag) => flag !== undefined) ? ['identity' as const] : []),
  ]
}
