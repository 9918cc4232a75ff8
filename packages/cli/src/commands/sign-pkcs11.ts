import type { Command } from 'commander'
import { chainOption, nonEmpty, pathOption } from '../options.ts'
import type { Outcome, Perform, Session } from '../perform.ts'
import { sign, withSigning, type SigningFlags } from './signing.ts'

interface KeyFlags extends SigningFlags {
  pkcs11Uri: string
  modulePaths: string[]
}

interface CertificateFlags extends KeyFlags {
  signingCertificate: string
  certificateChain: string[]
}

/** `modelseal sign pkcs11-key MODEL --pkcs11-uri URI`. */
export function addSignPkcs11Key(parent: Command, perform: Perform): void {
  withToken(withSigning(parent.command('pkcs11-key')))
    .description('Sign with a key on a token: a smart card, an HSM or SoftHSM.')
    .addHelpText('after', `${HELP}  $ modelseal sign pkcs11-key models/vad --pkcs11-uri "${URI}"`)
    .action(perform(signWithKey))
}

/** `modelseal sign pkcs11-certificate MODEL --pkcs11-uri URI --signing-certificate C`. */
export function addSignPkcs11Certificate(parent: Command, perform: Perform): void {
  withToken(withSigning(parent.command('pkcs11-certificate')))
    .description('Sign with a key on a token and its certificate.')
    .addOption(
      pathOption('--signing-certificate <path>', 'PEM file of the certificate for this key').makeOptionMandatory(),
    )
    .addOption(chainOption('intermediate certificates, PEM; may be repeated'))
    .addHelpText(
      'after',
      `${HELP}  $ modelseal sign pkcs11-certificate models/vad --signing-certificate release.pem --pkcs11-uri "${URI}"`,
    )
    .action(perform(signWithCertificate))
}

const URI = 'pkcs11:token=release;object=signing?module-name=softhsm2&pin-source=/run/secrets/pin'

const HELP = `
The URI (RFC 7512) names the key by token, slot-id, object or id, the module by module-path or module-name, and the
file that contains the PIN by pin-source, so that the PIN is not on the command line, where other users can see it.
Requires the optional package pkcs11js.

Example:
`

function withToken(command: Command): Command {
  return command.requiredOption('--pkcs11-uri <uri>', 'URI of the private key (RFC 7512)', nonEmpty).addOption(
    pathOption('--module-paths <path>', 'directory in which to look for a module-name; may be repeated')
      .argParser((path: string, paths: string[]) => [...paths, nonEmpty(path)])
      .default([], 'the usual directories for modules'),
  )
}

async function signWithKey(
  model: string,
  { pkcs11Uri, modulePaths, ...flags }: KeyFlags,
  session: Session,
): Promise<Outcome> {
  const { pkcs11KeySigner } = await import('@modelseal/core/signing')
  const signer = await pkcs11KeySigner({ uri: pkcs11Uri, ...directories(modulePaths) })
  return sign(model, flags, session, { signer })
}

async function signWithCertificate(
  model: string,
  { pkcs11Uri, modulePaths, signingCertificate, certificateChain, ...flags }: CertificateFlags,
  session: Session,
): Promise<Outcome> {
  const { pkcs11CertificateSigner } = await import('@modelseal/core/signing')
  const signer = await pkcs11CertificateSigner({
    uri: pkcs11Uri,
    certificate: signingCertificate,
    chain: certificateChain,
    ...directories(modulePaths),
  })
  return sign(model, flags, session, { signer })
}

function directories(modulePaths: string[]): { modulePaths?: string[] } {
  return modulePaths.length > 0 ? { modulePaths } : {}
}
