import { type Command } from 'commander'
import { pathOption } from '../options.ts'
import { keySignerWithPassword, passwordOption } from '../password.ts'
import type { Outcome, Perform, Session } from '../perform.ts'
import { sign, withSigning, type SigningFlags } from './signing.ts'

interface Flags extends SigningFlags {
  privateKey: string
  password?: string
}

/** `modelseal sign key MODEL --private-key K`. */
export function addSignKey(parent: Command, perform: Perform): void {
  withSigning(parent.command('key'))
    .description('Sign with a private key and write the signature bundle.')
    .addOption(
      pathOption('--private-key <path>', 'PEM file of the private key, on P-256, P-384 or P-521').makeOptionMandatory(),
    )
    .addOption(passwordOption())
    .addHelpText('after', HELP)
    .action(perform(signWithKey))
}

const HELP = `
Loads look for the bundle next to the model: write it to DIR/model.sig or DIR.sig for a directory, and to FILE.sig for
a file. If the key is encrypted, the command asks for its password on a terminal.

Examples:
  $ openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out release.key
  $ modelseal sign key models/vad --private-key release.key --signature models/vad/model.sig
  $ modelseal sign key models/vad --private-key release.key --ignore-paths models/vad/.cache`

async function signWithKey(
  model: string,
  { privateKey, password, ...flags }: Flags,
  session: Session,
): Promise<Outcome> {
  const { keySigner } = await import('@modelseal/core/signing')
  const signer = await keySignerWithPassword(keySigner, { privateKey, password }, session.signal)
  return sign(model, flags, session, { signer })
}
