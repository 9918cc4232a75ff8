import { Option, type Command } from 'commander'
import { amount, summary } from '../output.ts'
import { pathOption, withHashing, withJson, withModel, type HashingFlags } from '../options.ts'
import { keySignerWithPassword, PASSWORD_VARIABLE } from '../password.ts'
import type { Outcome, Perform, Session } from '../perform.ts'

interface Flags extends HashingFlags {
  privateKey: string
  signature: string
  password?: string
}

/** `modelseal sign key MODEL --private-key K`. */
export function addSignKey(sign: Command, perform: Perform): void {
  withJson(withHashing(withModel(sign.command('key'))))
    .description('Sign with a private key, and write the signature bundle.')
    .addOption(pathOption('--private-key <path>', 'PEM, on P-256, P-384 or P-521').makeOptionMandatory())
    .addOption(pathOption('--signature <path>', 'where the bundle goes').default('model.sig'))
    .addOption(
      new Option('--password <password>', 'of an encrypted key; other users of the machine can see it').env(
        PASSWORD_VARIABLE,
      ),
    )
    .addHelpText('after', HELP)
    .action(perform(signWithKey))
}

const HELP = `
A model is loaded with the bundle found beside it: write the one of a directory to DIR/model.sig or DIR.sig,
and the one of a file to FILE.sig. An encrypted key is asked for its password on a terminal.

Examples:
  $ openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out release.key
  $ modelseal sign key models/vad --private-key release.key --signature models/vad/model.sig
  $ modelseal sign key models/vad --private-key release.key --ignore-paths models/vad/.cache`

async function signWithKey(
  model: string,
  { privateKey, signature, password, ...flags }: Flags,
  session: Session,
): Promise<Outcome> {
  const { shown, signModel } = await import('@modelseal/core')
  const signer = await keySignerWithPassword(privateKey, password, session.signal)
  const signed = await signModel(model, { ...flags, ...session, signer, signature })
  const { files, bytes } = signed
  const rootDigest = `sha256:${signed.rootDigest}`
  return {
    lines: summary(`Signed ${shown(model)}`, [
      ['signature', shown(signed.signature)],
      ['content', amount(signed)],
      ['root digest', rootDigest],
    ]),
    json: { result: { signature: signed.signature, rootDigest, files, bytes } },
  }
}
