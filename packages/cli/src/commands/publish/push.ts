import type { PublicationSigner } from '@modelseal/core/publishing'
import { join } from 'node:path'
import { existsSync, statSync } from 'node:fs'
import type { Command } from 'commander'
import { instanceOf, withInstance, type InstanceFlags } from '../../instance.ts'
import { pathOption, pathsOption } from '../../options.ts'
import type { Perform, Session } from '../../perform.ts'
import {
  publisherFor,
  pushingOutcome,
  pushOptions,
  withPushedModel,
  withPushing,
  type PushingFlags,
} from './pushing.ts'
import type { SigningMethod } from './signing-method.ts'
import { shardFact, signed, signingNotes, whoAndWhen, withSigning, type SigningFlags } from './signing.ts'

interface Flags extends PushingFlags, InstanceFlags {
  signature?: string
  publicKey?: string
  certificateChain: string[]
  identity?: string
  identityProvider?: string
  policy?: string
}

/** `modelseal push MODEL TARGET`: publishes a model that is signed, and proves that it is served. */
export function addPush(program: Command, perform: Perform): Command {
  const command = withPushing(withPushedModel(program.command('push')))
    .description('Publish a signed model on Hugging Face, in a registry or in a bucket, and read back what is served.')
    .addOption(pathOption('--public-key <path>', 'public key that must have signed it'))
    .addOption(
      pathsOption('--certificate-chain <path>', 'root certificate that its chain must lead to; may be repeated'),
    )
    .option('--identity <identity>', 'identity that must have signed it with Sigstore')
    .option('--identity-provider <url>', 'issuer of that identity')
    .addOption(
      pathOption('--policy <path>', 'trust policy that must accept it (default: the one that a load would find)'),
    )
    .addHelpText('after', HELP)
    .hook('preAction', (_, action) => checkSigner(action))
  return withInstance(command).action((model: string, target: string, flags: Flags, action: Command) =>
    perform<Flags>(async (path, given, session) => {
      const publisher = await publisherFor(given.target)
      const by = { signedBy: signerOf(given), signature: given.signature }
      const pushed = await publisher.pushModel(path, target, { ...(await pushOptions(given, session)), ...by })
      return pushingOutcome(path, given, pushed)
    })(model, { ...flags, target }, action),
  )
}

/** `modelseal push METHOD MODEL TARGET`: signs first. */
export function addPushMethod(
  parent: Command,
  perform: Perform,
  { name, how, ...method }: SigningMethod<SigningFlags>,
): void {
  const sign = async (model: string, flags: SigningFlags & PushingFlags, session: Session) => {
    const { shown } = await import('@modelseal/core/errors')
    const { signature = besideModel(model), target } = flags
    const publisher = await publisherFor(target)
    const options = await pushOptions(flags, session)
    // So that nothing is signed that cannot be pushed.
    await publisher.checkPushTarget(target, options)
    const made = await signed(
      model,
      { ...flags, signature, claimsInside: mayHaveClaims(model) },
      session,
      await method.signing(flags, session),
    )
    const by = { signedBy: { bundleDigest: made.bundleDigest }, signature: made.signature }
    const pushed = await publisher.pushModel(model, target, { ...options, ...by })
    return pushingOutcome(model, flags, pushed, {
      facts: [...whoAndWhen(made, shown), ...shardFact(made)],
      notes: signingNotes(model, flags, made, shown),
      warnings: made.warnings,
    })
  }
  method
    .withOptions(withPushing(withSigning(parent.command(name))))
    .description(`Sign ${how}, then push. The options for signing are those of "sign ${name}".`)
    .action((model: string, target: string, flags: SigningFlags, action: Command) =>
      perform<SigningFlags & PushingFlags>(sign)(model, { ...flags, target } as SigningFlags & PushingFlags, action),
    )
}

const HELP = `
With a method first ("push key MODEL TARGET --private-key K"), the model is signed as "sign" does, and the bundle is
written beside it. Without one, its signature must be valid and by the signer that you name, or accepted by the trust
policy, and its files must be what was signed.

Files and bundle go into one commit, which is refused if the branch changed meanwhile. Then what is served at that commit
is read back: the list of files, their sizes and stated digests, the bundle, and files without a stated digest; with
"--verify full", every byte. In a registry, the tag is set last. In a bucket, files come first and the bundle last, and
every byte is read back: push each version under a prefix of its own. Everything else is a failure, exit code 1.

The access token for Hugging Face is HF_TOKEN or that of "hf auth login", for registries that of "docker
login", and for buckets those of AWS (AWS_ACCESS_KEY_ID, AWS_PROFILE …).
Pushing to Hugging Face needs the optional package @huggingface/hub.

Examples:
  $ modelseal push models/vad hf://org/vad --public-key release.pub --create-pr
  $ modelseal push key models/vad hf://org/vad --private-key release.key --create-repo --private
  $ modelseal push models/vad s3://models/vad/1.0 --public-key release.pub
  $ modelseal push models/vad oci://registry.example/models/vad:1.0 --public-key release.pub --cosign-key release.key`

function signerOf(flags: Flags): PublicationSigner {
  const { publicKey, certificateChain, identity, identityProvider: issuer, policy } = flags
  if (publicKey !== undefined) return { verifier: { publicKey } }
  if (certificateChain.length > 0) return { verifier: { certificateChain } }
  if (identity !== undefined && issuer !== undefined)
    return { verifier: { identity, issuer, trustRoot: instanceOf(flags) } }
  return { policy }
}

/** At most one kind of signer. */
function checkSigner(command: Command): void {
  const { publicKey, certificateChain = [], identity, identityProvider, policy } = command.opts<Partial<Flags>>()
  const named = [publicKey, certificateChain[0], identity ?? identityProvider, policy].filter(
    (each) => each !== undefined,
  )
  if (named.length > 1)
    command.error(
      "error: give only one of '--public-key', '--certificate-chain', '--identity' and '--policy', which all say who must have signed",
    )
  if ((identity === undefined) !== (identityProvider === undefined))
    command.error("error: '--identity' and '--identity-provider' must be used together")
}

/** Where a load looks first. */
function besideModel(model: string): string {
  return isDirectory(model) ? join(model, 'model.sig') : `${model}.sig`
}

/** On a hub, attestations are added inside the model. If there is such a file already, signing tells attestations from content. */
function mayHaveClaims(model: string): boolean {
  return isDirectory(model) && !existsSync(join(model, 'claims.jsonl'))
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
}
