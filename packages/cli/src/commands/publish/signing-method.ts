import type { Command } from 'commander'
import type { Perform, Session } from '../../perform.ts'
import { signed, signingOutcome, withSigning, type Signing, type SigningFlags } from './signing.ts'

/** One method of signing: what its options are, and the signer that they describe. */
export interface SigningMethod<Flags> {
  name: string
  /** What follows "Sign": `with a private key`. */
  how: string
  /** Added to {@link how} in the help of `sign`. */
  note?: string
  /** The help of `sign` below its options. */
  help: string
  /** True if `sign` without a method means this one. */
  isDefault?: boolean
  withOptions(command: Command): Command
  signing(flags: Flags, session: Session): Promise<Signing>
}

/** `modelseal sign METHOD MODEL`. */
export function addSigningMethod(
  parent: Command,
  perform: Perform,
  { name, how, note = '', help, isDefault = false, ...method }: SigningMethod<SigningFlags>,
): void {
  method
    .withOptions(withSigning(parent.command(name, { isDefault })))
    .description(`Sign ${how}${note}.`)
    .addHelpText('after', help)
    .action(
      perform<SigningFlags>(async (model, flags, session) =>
        signingOutcome(model, flags, await signed(model, flags, session, await method.signing(flags, session))),
      ),
    )
}
