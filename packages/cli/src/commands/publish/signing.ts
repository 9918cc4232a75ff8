import type { SignedAgain, SignedModel, Signer, TrustRootSource } from '@modelseal/core/signing'
import { resolve } from 'node:path'
import { InvalidArgumentError, Option, type Command } from 'commander'
import { isRemote } from '../../hubs.ts'
import { hashingOptions, pathOption, withHashing, withJson, withModel, type HashingFlags } from '../../options.ts'
import { amount, revisionFact, summary } from '../../output.ts'
import type { Outcome, Session } from '../../perform.ts'
import { previousOf, withReuse, type ReuseFlags } from './reusing.ts'

/** Options of every command that signs. */
export interface SigningFlags extends HashingFlags, ReuseFlags {
  signature?: string
  force?: boolean
  tsaUrl?: string
  receipt?: boolean
  trustHubDigests?: boolean
  claimsInside?: boolean
}

/** Adds the options of {@link SigningFlags}. */
export function withSigning(command: Command): Command {
  return withReuse(withJson(withHashing(withModel(command))))
    .option('--receipt', 'record what was hashed, so that --reuse can use it next time')
    .addOption(pathOption('--signature <path>', 'where to write the bundle (default: "model.sig")'))
    .option('--force', 'replace the signature of another model')
    .option('--claims-inside', 'leave "claims.jsonl" in the directory unsigned: attestations will be added to it')
    .option(
      '--trust-hub-digests',
      'for a model on a hub: sign the SHA-256 digests that the hub states, without reading these files',
    )
    .addOption(timestampOption())
}

/** `--tsa-url`, for every command that signs. */
export function timestampOption(): Option {
  return new Option('--tsa-url <url>', 'timestamp authority (RFC 3161) to witness the time of the signature')
}

/** Who signs, and for which instance of Sigstore. */
export interface Signing {
  signer: Signer
  /** The trust root that `--reuse-identity` is verified with (default: that of the public-good instance). */
  trustRoot?: TrustRootSource | undefined
}

/** What was signed; with `--reuse` or `--receipt`, also what was reused and recorded. */
type Signed = SignedModel & Partial<SignedAgain>

/** Signs a model. */
export async function signed(
  model: string,
  { tsaUrl, receipt, force = false, trustHubDigests, ...flags }: SigningFlags,
  session: Session,
  { signer, trustRoot }: Signing,
): Promise<Signed> {
  const { signModel, signModelAgain } = await import('@modelseal/core/signing')
  const previous = previousOf(flags, trustRoot)
  if (isRemote(model) ? (previous ?? receipt) : trustHubDigests) throw new InvalidArgumentError(misplaced(model))
  const place = {
    signature: flags.signature ?? 'model.sig',
    overwrite: force ? ('always' as const) : ('same-model' as const),
    claimsInside: flags.claimsInside,
  }
  const options = { ...hashingOptions(model, flags, session), ...place, timestampAuthority: tsaUrl, signer }
  return previous || receipt
    ? signModelAgain(model, { ...options, previous })
    : signModel(model, { ...options, trustStatedDigests: trustHubDigests })
}

/** Reports what was signed. */
export async function signingOutcome(model: string, flags: SigningFlags, signed: Signed): Promise<Outcome> {
  const { shown } = await import('@modelseal/core/errors')
  const { reuse } = flags
  const { signature, files, bytes } = signed
  const rootDigest = `sha256:${signed.rootDigest}`
  return {
    lines: [
      ...summary(`Signed ${shown(model)}`, [
        ['signature', shown(signature)],
        ...whoAndWhen(signed, shown),
        ...revisionFact(signed),
        ['content', amount(signed)],
        ...shardFact(signed),
        ...(signed.stated ? [['not read', statedText(signed.stated)] as const] : []),
        ['root digest', rootDigest],
        ...(reuse === undefined ? [] : [['reused', reusedText(signed)] as const]),
        ...(signed.remembered ? [['receipt', rememberedText(signed, signed.remembered)] as const] : []),
      ]),
      ...signingNotes(model, flags, signed, shown),
    ],
    json: {
      result: {
        signature,
        rootDigest,
        files,
        bytes,
        shardSize: signed.shardSize,
        revision: signed.revision,
        requested: signed.requested,
        stated: signed.stated,
        signer: signed.signer,
        logEntries: signed.logEntries,
        time: signed.time,
        leftOut: signed.leftOut,
        warnings: signed.warnings,
        replaced: signed.replaced,
        ...(reuse === undefined ? {} : { reused: signed.reused }),
        ...(signed.remembered ? { remembered: signed.remembered } : {}),
      },
    },
  }
}

function misplaced(model: string): string {
  return isRemote(model)
    ? 'The options --receipt and --reuse need a model on this machine.'
    : 'The option --trust-hub-digests needs the URL of a model on a hub.'
}

function statedText(stated: { files: number; bytes: number }): string {
  return `${amount(stated)}: these digests are the ones that the hub states. The signature vouches for them, but nobody has checked them.`
}

/** Who signed and when, for a summary. */
export function whoAndWhen(
  { signer, logEntries = [], time }: Pick<SignedModel, 'signer' | 'logEntries' | 'time'>,
  shown: (value: string) => string,
): (readonly [string, string])[] {
  return [
    ...(signer ? [['signer', signer.description] as const] : []),
    ...logEntries.map(({ log, index }) => ['log entry', `${index} of ${shown(log)}`] as const),
    ...(time ? [['signed', `at ${time.at}, according to ${shown(time.authority)}`] as const] : []),
  ]
}

/** What the signer should know, below the facts. */
export function signingNotes(
  model: string,
  { format }: Pick<SigningFlags, 'format'>,
  signed: SignedModel,
  shown: (value: string) => string,
): string[] {
  return [
    ...(format === 'dataset' ? shardsText(signed) : []),
    ...replacedText(model, signed, shown),
    ...leftOutText(signed),
    ...(signed.warnings ?? []).map(({ message }) => `Warning: ${message}`),
  ]
}

function replacedText(model: string, { signature, replaced }: SignedModel, shown: (value: string) => string): string[] {
  if (!replaced) return []
  // Next to the model: inside it, loads look no further than model.sig.
  const beside = /(^|[/\\])\.{0,2}[/\\]*$/.test(model) ? resolve(model) : model
  const both = `To keep both, write the second one next to the model: --signature ${shown(`${beside}.NAME.sig`)}.`
  return [
    `Note: ${shown(signature)} contained a signature by ${replaced.description}, which this one replaced. ${both}`,
  ]
}

export function shardFact({ shardSize }: SignedModel): (readonly [string, string])[] {
  return shardSize === undefined ? [] : [['hashed', `in shards of ${shardSize} bytes`]]
}

function shardsText({ shardSize }: SignedModel): string[] {
  if (shardSize === undefined) return []
  return [
    'Note: the command line of the reference tool cannot verify this signature, because it verifies whole files only. To sign whole files, use --whole-files.',
  ]
}

function leftOutText({ leftOut }: SignedModel): string[] {
  if (leftOut === undefined) return []
  const files = leftOut === 1 ? '1 file' : `${leftOut} files`
  return [
    `Note: ${files} of "hf download" in ".cache/huggingface" were not signed. Remove that directory: a model with unsigned files is refused.`,
  ]
}

function reusedText({ reused }: Partial<SignedAgain>): string {
  if (!reused || reused.reason !== undefined) return `nothing: ${reused?.reason ?? ''}`
  return reused.files === 0 ? 'nothing: every file changed or was hashed differently' : amount(reused)
}

function rememberedText({ files: all }: SignedModel, { files, reason }: SignedAgain['remembered']): string {
  if (files === 0) return `not written: ${reason ?? 'there are no files'}`
  const written = `written for ${files} of ${all} ${all === 1 ? 'file' : 'files'}`
  return reason === undefined ? written : `${written}, except for ${reason}`
}
