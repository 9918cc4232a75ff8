import { InvalidArgumentError, Option, type Command } from 'commander'
import type { VerifyResult } from '@modelseal/core/verification'
import { instanceOf, withInstance, type InstanceFlags } from '../../instance.ts'
import { originOf } from '../../trust-root-age.ts'
import type { Outcome, Perform, Session } from '../../perform.ts'
import { verify, withSignature, type VerifierFlags } from './verifying.ts'

interface Flags extends VerifierFlags, InstanceFlags {
  identity: string
  identityProvider: string
  extension?: Record<string, string>
}

/** `modelseal verify sigstore MODEL --signature S --identity I --identity-provider P`. */
export function addVerifySigstore(parent: Command, perform: Perform): void {
  withInstance(withSignature(parent.command('sigstore')))
    .description('Verify that one identity signed with Sigstore, without a policy.')
    .requiredOption(
      '--identity <identity>',
      'required signer, compared exactly: e-mail address, or URI of the workflow',
    )
    .requiredOption('--identity-provider <url>', 'OpenID Connect issuer of the identity, compared exactly')
    .addOption(
      new Option('--extension <name=value>', 'extension that the certificate must have; may be repeated').argParser(
        extension,
      ),
    )
    .addHelpText('after', HELP)
    .action(perform(verifyWithSigstore))
}

const HELP = `
"verify MODEL --identity ..." does the same. Nothing is fetched: the trusted root of the public-good instance is the one
that "modelseal trust-root update" last fetched, or else the one included in this program.

Example:
  $ modelseal verify sigstore models/vad --signature models/vad/model.sig --identity me@example.com \\
      --identity-provider https://accounts.google.com`

function verifyWithSigstore(
  model: string,
  { identity, identityProvider: issuer, extension: extensions, ...flags }: Flags,
  session: Session,
): Promise<Outcome> {
  const verifier = { identity, issuer, extensions, trustRoot: instanceOf(flags) }
  return verify(model, flags, session, { verifier, factsOf })
}

function factsOf(signer: VerifyResult['signer'], shown: (name: string) => string): [string, string][] {
  if (signer.method !== 'sigstore') return []
  const { identity, issuer, trustRoot, extensions } = signer
  return [
    ['identity', shown(identity)],
    ['provider', shown(issuer)],
    ...Object.entries(extensions).map(([name, value]): [string, string] => [name, shown(value)]),
    ['trusted root', originOf(trustRoot, shown)],
    ['root file', `sha256:${trustRoot.digest}`],
  ]
}

function extension(text: string, known: Record<string, string> = {}): Record<string, string> {
  const at = text.indexOf('=')
  if (at < 1) throw new InvalidArgumentError('Expected NAME=VALUE.')
  return { ...known, [text.slice(0, at)]: text.slice(at + 1) }
}
