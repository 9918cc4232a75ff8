import type { Command } from 'commander'
import { chainOption, nonEmpty, pathOption } from '../../options.ts'
import type { SigningMethod } from './signing-method.ts'
import type { SigningFlags } from './signing.ts'

interface KeyFlags extends SigningFlags {
  pkcs11Uri: string
  modulePaths: string[]
}

interface CertificateFlags extends KeyFlags {
  signingCertificate: string
  certificateChain: string[]
}

const URI = 'pkcs11:token=release;object=signing?module-name=softhsm2&pin-source=/run/secrets/pin'

const HELP = `
The URI (RFC 7512) names the key by token, slot-id, object or id, the module by module-path or module-name, and the
file that contains the PIN by pin-source, so that the PIN is not on the command line, where other users can see it.
Requires the optional package pkcs11js.

Example:
`

/** `modelseal sign pkcs11-key MODEL --pkcs11-uri URI`. */
export const PKCS11_KEY: SigningMethod<KeyFlags> = {
  name: 'pkcs11-key',
  how: 'with a key on a token: a smart card, an HSM or SoftHSM',
  help: `${HELP}  $ modelseal sign pkcs11-key models/vad --pkcs11-uri "${URI}"`,
  withOptions: withToken,
  signing: async ({ pkcs11Uri, modulePaths }) => {
    const { pkcs11KeySigner } = await import('@modelseal/core/signing')
    return { signer: await pkcs11KeySigner({ uri: pkcs11Uri, ...directories(modulePaths) }) }
  },
}

/** `modelseal sign pkcs11-certificate MODEL --pkcs11-uri URI --signing-certificate C`. */
export const PKCS11_CERTIFICATE: SigningMethod<CertificateFlags> = {
  name: 'pkcs11-certificate',
  how: 'with a key on a token and its certificate',
  help: `${HELP}  $ modelseal sign pkcs11-certificate models/vad --signing-certificate release.pem --pkcs11-uri "${URI}"`,
  withOptions: (command) =>
    withToken(command)
      .addOption(
        pathOption('--signing-certificate <path>', 'PEM file of the certificate for this key').makeOptionMandatory(),
      )
      .addOption(chainOption('intermediate certificates, PEM; may be repeated')),
  signing: async ({ pkcs11Uri, modulePaths, signingCertificate, certificateChain }) => {
    const { pkcs11CertificateSigner } = await import('@modelseal/core/signing')
    const token = { uri: pkcs11Uri, ...directories(modulePaths) }
    const signer = await pkcs11CertificateSigner({ ...token, certificate: signingCertificate, chain: certificateChain })
    return { signer }
  },
}

function withToken(command: Command): Command {
  return command.requiredOption('--pkcs11-uri <uri>', 'URI of the private key (RFC 7512)', nonEmpty).addOption(
    pathOption('--module-paths <path>', 'directory in which to look for a module-name; may be repeated')
      .argParser((path: string, paths: string[]) => [...paths, nonEmpty(path)])
      .default([], 'the usual directories for modules'),
  )
}

function directories(modulePaths: string[]): { modulePaths?: string[] } {
  return modulePaths.length > 0 ? { modulePaths } : {}
}
