import type { Command } from 'commander'
import { checkedAmount, summary } from '../output.ts'
import { pathOption, withJson, withModel, withVerifying, type VerifyingFlags } from '../options.ts'
import type { Outcome, Perform, Session } from '../perform.ts'

interface Flags extends VerifyingFlags {
  signature: string
  publicKey: string
}

/** `modelseal verify key MODEL --signature S --public-key P`. */
export function addVerifyKey(verify: Command, perform: Perform): void {
  withJson(withVerifying(withModel(verify.command('key'))))
    .description('Verify against one public key, without a policy.')
    .addOption(pathOption('--signature <path>', 'the bundle').makeOptionMandatory())
    .addOption(pathOption('--public-key <path>', 'PEM (SPKI), of the key that signed').makeOptionMandatory())
    .addHelpText('after', HELP)
    .action(perform(verifyWithKey))
}

const HELP = `
Example:
  $ modelseal verify key models/vad --signature models/vad/model.sig --public-key release.pub`

async function verifyWithKey(
  model: string,
  { signature, publicKey, only, ...flags }: Flags,
  session: Session,
): Promise<Outcome> {
  const { shown, verifyModel } = await import('@modelseal/core')
  const verified = await verifyModel(model, {
    ...flags,
    ...session,
    signature,
    files: only,
    verifier: { publicKey },
  })
  const { signer, files, bytes } = verified
  const rootDigest = `sha256:${verified.rootDigest}`
  return {
    lines: summary(`Verified ${shown(model)}`, [
      ['signer', `${signer.method} ${shown(signer.name)}`],
      ['key', `sha256:${signer.fingerprint}`],
      ['content', checkedAmount(verified) + (flags.ignoreUnsignedFiles ? ', unsigned files ignored' : '')],
      ['root digest', rootDigest],
    ]),
    json: { result: { signer, rootDigest, files, bytes } },
  }
}
