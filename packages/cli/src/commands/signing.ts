import type { Signer } from '@modelseal/core'
import { Option, type Command } from 'commander'
import { pathOption, withHashing, withJson, withModel, type HashingFlags } from '../options.ts'
import { amount, summary } from '../output.ts'
import type { Outcome, Session } from '../perform.ts'

/** What every command that signs accepts. */
export interface SigningFlags extends HashingFlags {
  signature: string
  tsaUrl?: string
}

/** Adds the options of {@link SigningFlags}. */
export function withSigning(command: Command): Command {
  return withJson(withHashing(withModel(command)))
    .addOption(pathOption('--signature <path>', 'where the bundle goes').default('model.sig'))
    .addOption(
      new Option('--tsa-url <url>', 'timestamp authority (RFC 3161) that is to witness the time of the signature'),
    )
}

/** Signs, and tells what was signed. */
export async function sign(
  model: string,
  { tsaUrl, ...flags }: SigningFlags,
  session: Session,
  signer: Signer,
): Promise<Outcome> {
  const { shown, signModel } = await import('@modelseal/core')
  const signed = await signModel(model, { ...flags, ...session, timestampAuthority: tsaUrl, signer })
  const { signature, files, bytes } = signed
  const rootDigest = `sha256:${signed.rootDigest}`
  return {
    lines: summary(`Signed ${shown(model)}`, [
      ['signature', shown(signature)],
      ['content', amount(signed)],
      ['root digest', rootDigest],
    ]),
    json: { result: { signature, rootDigest, files, bytes } },
  }
}
