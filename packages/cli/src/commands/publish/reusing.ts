import type { SignAgainOptions, TrustRootSource } from '@modelseal/core/signing'
import type { Command } from 'commander'
import { pathOption, pathsOption } from '../../options.ts'

/** The earlier signature whose digests are reused, and its required signer. */
export interface ReuseFlags {
  reuse?: string
  reusePublicKey?: string
  reuseCertificateChain: string[]
  reuseIdentity?: string
  reuseIdentityProvider?: string
}

/** Adds the options of {@link ReuseFlags}. */
export function withReuse(command: Command): Command {
  return command
    .addOption(pathOption('--reuse <path>', 'earlier bundle: files that have not changed since are not hashed again'))
    .addOption(pathOption('--reuse-public-key <path>', 'public key that must have signed the earlier bundle'))
    .addOption(
      pathsOption('--reuse-certificate-chain <path>', 'root certificate that its chain must lead to; may be repeated'),
    )
    .option('--reuse-identity <identity>', 'identity that must have signed it with Sigstore')
    .option('--reuse-identity-provider <url>', 'issuer of that identity')
    .hook('preAction', (_, action) => checkReuse(action))
}

/**
 * The earlier signature for core; undefined to hash everything.
 *
 * @param trustRoot the Sigstore instance that vouches for `--reuse-identity` (default: the public-good instance)
 */
export function previousOf(flags: ReuseFlags, trustRoot?: TrustRootSource): SignAgainOptions['previous'] {
  const { reuse: signature, reusePublicKey: publicKey, reuseCertificateChain: certificateChain } = flags
  const { reuseIdentity: identity, reuseIdentityProvider: issuer } = flags
  if (signature === undefined) return undefined
  if (publicKey !== undefined) return { signature, verifier: { publicKey } }
  if (identity !== undefined && issuer !== undefined) return { signature, verifier: { identity, issuer, trustRoot } }
  return { signature, verifier: { certificateChain } }
}

/** Exactly one kind of signer with `--reuse`, and none without it. */
function checkReuse(command: Command): void {
  const flags = command.opts<ReuseFlags>()
  const named = [
    flags.reusePublicKey !== undefined,
    flags.reuseCertificateChain.length > 0,
    flags.reuseIdentity !== undefined || flags.reuseIdentityProvider !== undefined,
  ].filter(Boolean).length
  if (flags.reuse === undefined && named > 0) command.error("error: '--reuse-...' requires '--reuse <path>'")
  if (flags.reuse !== undefined && named !== 1)
    command.error(
      "error: '--reuse' requires the signer of the earlier bundle: give one of '--reuse-public-key', '--reuse-certificate-chain' and '--reuse-identity'",
    )
  if ((flags.reuseIdentity === undefined) !== (flags.reuseIdentityProvider === undefined))
    command.error("error: '--reuse-identity' and '--reuse-identity-provider' must be used together")
}
