import { InvalidArgumentError, Option, type Command } from 'commander'
import type { VerifyResult } from '@modelseal/core'
import { instanceOf, withInstance, type InstanceFlags } from '../instance.ts'
import { originOf } from '../trust-root-age.ts'
import type { Outcome, Perform, Session } from '../perform.ts'
import { verify, withSignature, type VerifierFlags } from './verifying.ts'

interface Flags extends VerifierFlags, InstanceFlags {
  identity: string
  identityProvider: string
  extension?: Record<string, string>
}

/** `modelseal verify sigstore MODEL --signature S --identity I --identity-provider P`. */
export function addVerifySigstore(parent: Command, perform: Perform): void {
  withInstance(withSignature(parent.command('sigstore')))
    .description('Verify that one identity signed, by Sigstore, without a policy.')
    .requiredOption('--identity <identity>', 'who must have signed: e-mail address, or URI of the workflow; exactly')
    .requiredOption('--identity-provider <url>', 'OpenID Connect issuer of the identity; exactly')
    .addOption(
      new Option('--extension <name=value>', 'extension that the certificate must have; may be repeated').argParser(
        extension,
      ),
    )
    .addHelpText('after', HELP)
    .action(perform(verifyWithSigstore))
}

const HELP = `
"verify MODEL --identity ..." means the same. Nothing is fetched: the trusted root of the public-good instance is the
one that "modelseal trust-root update" fetched last, else the one that is carried along.

Example:
  $ modelseal verify sigstore models/vad --signature models/vad/model.sig --identity me@example.com \\
      --identity-provider https://accounts.google.com`

function verifyWithSigstore(
  model: string,
  { identity, identityProvider: issuer, extension: extensions, ...flags }: Flags,
  session: Session,
): Promise<Outcome> {
  const verifier = { identity, issuer, extensions, trustRoot: instanceOf(flags) }
  return verify(model, flags, session, verifier, factsOf)
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
  if (at < 1) throw new InvalidArgumentError('It is not a name and a value.')
  return { ...known, [text.slice(0, at)]: text.slice(at + 1) }
}
