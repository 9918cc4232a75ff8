import type { Command } from 'commander'
import { chainOption, pathOption } from '../options.ts'
import { keySignerWithPassword, passwordOption } from '../password.ts'
import type { Outcome, Perform, Session } from '../perform.ts'
import { sign, withSigning, type SigningFlags } from './signing.ts'

interface Flags extends SigningFlags {
  privateKey: string
  password?: string
  signingCertificate: string
  certificateChain: string[]
}

/** `modelseal sign certificate MODEL --private-key K --signing-certificate C`. */
export function addSignCertificate(parent: Command, perform: Perform): void {
  withSigning(parent.command('certificate'))
    .description('Sign with a private key and its certificate.')
    .addOption(
      pathOption('--private-key <path>', 'PEM file of the private key, on P-256, P-384 or P-521').makeOptionMandatory(),
    )
    .addOption(passwordOption())
    .addOption(
      pathOption('--signing-certificate <path>', 'PEM file of the certificate for this key').makeOptionMandatory(),
    )
    .addOption(chainOption('intermediate certificates, PEM; may be repeated'))
    .addHelpText('after', HELP)
    .action(perform(signWithCertificate))
}

const HELP = `
Verifiers need the root certificate. Give the intermediate certificates with --certificate-chain. With a timestamp
(--tsa-url), the signature stays valid after the certificate expires.

Example:
  $ modelseal sign certificate models/vad --private-key release.key --signing-certificate release.pem \\
      --certificate-chain intermediate.pem --signature models/vad/model.sig`

async function signWithCertificate(
  model: string,
  { privateKey, password, signingCertificate, certificateChain, ...flags }: Flags,
  session: Session,
): Promise<Outcome> {
  const { certificateSigner } = await import('@modelseal/core/signing')
  const options = { privateKey, password, certificate: signingCertificate, chain: certificateChain }
  const signer = await keySignerWithPassword(certificateSigner, options, session.signal)
  return sign(model, flags, session, { signer })
}
