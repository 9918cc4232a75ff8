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
    .description('Sign with a private key, and write the signature bundle.')
    .addOption(pathOption('--private-key <path>', 'PEM, on P-256, P-384 or P-521').makeOptionMandatory())
    .addOption(passwordOption())
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
  { privateKey, password, ...flags }: Flags,
  session: Session,
): Promise<Outcome> {
  const { keySigner } = await import('@modelseal/core')
  const signer = await keySignerWithPassword(keySigner, { privateKey, password }, session.signal)
  return sign(model, flags, session, signer)
}
