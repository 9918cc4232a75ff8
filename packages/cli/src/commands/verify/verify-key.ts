import type { Command } from 'commander'
import { pathOption } from '../../options.ts'
import type { Outcome, Perform, Session } from '../../perform.ts'
import { verify, withVerifier, type TimedVerifierFlags } from './verifying.ts'

interface Flags extends TimedVerifierFlags {
  publicKey: string
}

/** `modelseal verify key MODEL --signature S --public-key P`. */
export function addVerifyKey(parent: Command, perform: Perform): void {
  withVerifier(parent.command('key'))
    .description('Verify against one public key, without a policy.')
    .addOption(pathOption('--public-key <path>', "PEM file (SPKI) of the signer's public key").makeOptionMandatory())
    .addHelpText('after', HELP)
    .action(perform(verifyWithKey))
}

const HELP = `
Example:
  $ modelseal verify key models/vad --signature models/vad/model.sig --public-key release.pub`

function verifyWithKey(model: string, { publicKey, ...flags }: Flags, session: Session): Promise<Outcome> {
  const verifier = { publicKey, timestampAuthorities: flags.timestampAuthority }
  return verify(model, flags, session, {
    verifier,
    factsOf: ({ fingerprint }) => [['key', `sha256:${fingerprint}`]],
  })
}
