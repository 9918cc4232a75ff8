import { Option } from 'commander'
import { instanceOf, withInstance, type InstanceFlags } from '../../instance.ts'
import { loginAtTerminal } from '../../login.ts'
import type { SigningMethod } from './signing-method.ts'
import type { SigningFlags } from './signing.ts'

interface Flags extends SigningFlags, InstanceFlags {
  identityToken?: string
  useAmbientCredentials?: boolean
  oauthForceOob?: boolean
  clientId?: string
  clientSecret?: string
  json?: boolean
}

/** Environment variable for the token: other users can see command lines. */
const TOKEN_VARIABLE = 'MODELSEAL_IDENTITY_TOKEN'

const HELP = `
The token is the given one, or else one from the CI system (GitHub Actions, GitLab CI, Google Cloud, Buildkite). Without
either, you log in with a browser. The model is hashed first.

Examples:
  $ modelseal sign models/vad --signature models/vad/model.sig
  $ modelseal sign sigstore models/vad --signature models/vad/model.sig --trust-config company.json`

/** `modelseal sign sigstore MODEL`, and `modelseal sign MODEL`. */
export const SIGSTORE: SigningMethod<Flags> = {
  name: 'sigstore',
  how: 'keyless with Sigstore',
  note: ': no key to manage, and every signature is in a public log (default)',
  help: HELP,
  isDefault: true,
  withOptions: (command) =>
    withInstance(command)
      .addOption(
        new Option('--identity-token <token>', 'OpenID Connect token; visible to other users of this machine').env(
          TOKEN_VARIABLE,
        ),
      )
      .option('--use-ambient-credentials', 'ask the CI system for a token (default)')
      .option('--no-use-ambient-credentials', 'do not ask the CI system')
      .option('--oauth-force-oob', 'log in on another device and enter the code here')
      .option('--client-id <id>', 'client at the identity provider; also the audience of the token')
      .option('--client-secret <secret>', 'secret of that client'),
  signing: async (flags) => {
    const { identityToken, useAmbientCredentials, oauthForceOob = false, clientId, clientSecret } = flags
    const { sigstoreSigner } = await import('@modelseal/core/signing')
    const trustRoot = instanceOf(flags)
    const signer = await sigstoreSigner({
      trustRoot,
      // An empty variable counts as unset.
      identityToken: identityToken === '' ? undefined : identityToken,
      useAmbientCredentials,
      interactive: flags.json ? undefined : loginAtTerminal(oauthForceOob),
      clientId,
      clientSecret,
    })
    return { signer, trustRoot }
  },
}
