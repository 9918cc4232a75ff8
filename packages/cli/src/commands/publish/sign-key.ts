import { keySignerWithPassword, passwordOption, privateKeyOption } from '../../password.ts'
import type { SigningMethod } from './signing-method.ts'
import type { SigningFlags } from './signing.ts'

interface Flags extends SigningFlags {
  privateKey: string
  password?: string
}

const HELP = `
Loads look for the bundle next to the model: write it to DIR/model.sig or DIR.sig for a directory, and to FILE.sig for
a file. If the key is encrypted, the command asks for its password on a terminal.

Examples:
  $ openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out release.key
  $ modelseal sign key models/vad --private-key release.key --signature models/vad/model.sig
  $ modelseal sign key models/vad --private-key release.key --ignore-paths models/vad/.cache`

/** `modelseal sign key MODEL --private-key K`. */
export const KEY: SigningMethod<Flags> = {
  name: 'key',
  how: 'with a private key',
  help: HELP,
  withOptions: (command) => command.addOption(privateKeyOption()).addOption(passwordOption()),
  signing: async ({ privateKey, password }, { signal }) => {
    const { keySigner } = await import('@modelseal/core/signing')
    return { signer: await keySignerWithPassword(keySigner, { privateKey, password }, signal) }
  },
}
