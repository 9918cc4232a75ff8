import { Option, type Command } from 'commander'
import { instanceOf, withInstance, type InstanceFlags } from '../instance.ts'
import { loginAtTerminal } from '../login.ts'
import type { Outcome, Perform, Session } from '../perform.ts'
import { sign, withSigning, type SigningFlags } from './signing.ts'

interface Flags extends SigningFlags, InstanceFlags {
  identityToken?: string
  useAmbientCredentials?: boolean
  oauthForceOob?: boolean
  clientId?: string
  clientSecret?: string
  json?: boolean
}

/** The environment variable that holds a token: command lines can be seen by other users. */
const TOKEN_VARIABLE = 'MODELSEAL_IDENTITY_TOKEN'

/** `modelseal sign sigstore MODEL`, and `modelseal sign MODEL`. */
export function addSignSigstore(parent: Command, perform: Perform): void {
  withInstance(withSigning(parent.command('sigstore', { isDefault: true })))
    .description('Sign keyless, with Sigstore: no key to keep, and every signature in a public log. The default.')
    .addOption(
      new Option('--identity-token <token>', 'OpenID Connect token; other users of the machine can see it').env(
        TOKEN_VARIABLE,
      ),
    )
    .option('--use-ambient-credentials', 'ask the CI system for a token (default)')
    .option('--no-use-ambient-credentials', 'do not ask it')
    .option('--oauth-force-oob', 'log in elsewhere, and type the code here')
    .option('--client-id <id>', 'of the client at the identity provider, and audience of the token')
    .option('--client-secret <secret>', 'of that client')
    .addHelpText('after', HELP)
    .action(perform(signWithSigstore))
}

const HELP = `
The token is the given one, else that of the CI system (GitHub Actions, GitLab CI, Google Cloud, Buildkite), else you
log in with a browser. The model is hashed first.

Examples:
  $ modelseal sign models/vad --signature models/vad/model.sig
  $ modelseal sign sigstore models/vad --signature models/vad/model.sig --trust-config company.json`

async function signWithSigstore(
  model: string,
  { identityToken, useAmbientCredentials, oauthForceOob = false, clientId, clientSecret, ...flags }: Flags,
  session: Session,
): Promise<Outcome> {
  const { sigstoreSigner } = await import('@modelseal/core')
  const trustRoot = instanceOf(flags)
  const signer = await sigstoreSigner({
    trustRoot,
    // An empty variable is an unset one.
    identityToken: identityToken === '' ? undefined : identityToken,
    useAmbientCredentials,
    interactive: flags.json ? undefined : loginAtTerminal(oauthForceOob),
    clientId,
    clientSecret,
  })
  return sign(model, flags, session, signer, trustRoot)
}
