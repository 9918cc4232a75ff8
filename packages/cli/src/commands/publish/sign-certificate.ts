import { chainOption, pathOption } from '../../options.ts'
import { keySignerWithPassword, passwordOption, privateKeyOption } from '../../password.ts'
import type { SigningMethod } from './signing-method.ts'
import type { SigningFlags } from './signing.ts'

interface Flags extends SigningFlags {
  privateKey: string
  password?: string
  signingCertificate: string
  certificateChain: string[]
}

const HELP = `
Verifiers need the root certificate. Give the intermediate certificates with --certificate-chain. With a timestamp
(--tsa-url), the signature stays valid after the certificate expires.

Example:
  $ modelseal sign certificate models/vad --private-key release.key --signing-certificate release.pem \\
      --certificate-chain intermediate.pem --signature models/vad/model.sig`

/** `modelseal sign certificate MODEL --private-key K --signing-certificate C`. */
export const CERTIFICATE: SigningMethod<Flags> = {
  name: 'certificate',
  how: 'with a private key and its certificate',
  help: HELP,
  withOptions: (command) =>
    command
      .addOption(privateKeyOption())
      .addOption(passwordOption())
      .addOption(
        pathOption('--signing-certificate <path>', 'PEM file of the certificate for this key').makeOptionMandatory(),
      )
      .addOption(chainOption('intermediate certificates, PEM; may be repeated')),
  signing: async ({ privateKey, password, signingCertificate, certificateChain }, { signal }) => {
    const { certificateSigner } = await import('@modelseal/core/signing')
    const options = { privateKey, password, certificate: signingCertificate, chain: certificateChain }
    return { signer: await keySignerWithPassword(certificateSigner, options, signal) }
  },
}
