import type { VerifyOptions, VerifyResult } from '@modelseal/core/verification'
import type { Command } from 'commander'
import {
  DEFAULT_MAX_BYTES,
  pathOption,
  pathsFor,
  pathsOption,
  withJson,
  withModel,
  withVerifying,
  type VerifyingFlags,
} from '../../options.ts'
import { checkedAmount, revisionFact, summary } from '../../output.ts'
import type { Outcome, Session } from '../../perform.ts'

/** Options of every command that verifies against one signer. */
export interface VerifierFlags extends VerifyingFlags {
  signature: string
}

/** Adds the options of {@link VerifierFlags}. */
export function withSignature(command: Command): Command {
  return withJson(withVerifying(withModel(command))).addOption(
    pathOption(
      '--signature <path>',
      'signature bundle: a path or, for a model given by URL, a URL',
    ).makeOptionMandatory(),
  )
}

/** Options of methods for which the verifier chooses the trusted timestamp authorities. */
export interface TimedVerifierFlags extends VerifierFlags {
  timestampAuthority: string[]
}

/** Adds the options of {@link TimedVerifierFlags}. */
export function withVerifier(command: Command): Command {
  return withSignature(command).addOption(
    pathsOption('--timestamp-authority <path>', 'root certificate of a trusted timestamp authority; may be repeated'),
  )
}

/** How one method checks who signed. */
interface SignerCheck {
  verifier: VerifyOptions['verifier']
  /** What to report of the signer, beside its name. */
  factsOf: (signer: VerifyResult['signer'], shown: (name: string) => string) => [string, string][]
}

/** Verifies a model and reports who signed it. */
export async function verify(
  model: string,
  flags: VerifierFlags,
  { signal, onProgress }: Session,
  { verifier, factsOf }: SignerCheck,
): Promise<Outcome> {
  const { shown } = await import('@modelseal/core/errors')
  const { verifyModel } = await import('@modelseal/core/verification')
  const { signature, ignorePaths, ignoreGitPaths, ignoreUnsignedFiles, maxBundleBytes, only: files } = flags
  const names = {
    ignorePaths: pathsFor(model, ignorePaths),
    ignoreGitPaths,
    ignoreUnsignedFiles,
    files: pathsFor(model, files),
  }
  const limits = { maxBundleBytes, maxBytes: flags.maxBytes ?? DEFAULT_MAX_BYTES }
  const verified = await verifyModel(model, { signature, verifier, ...limits, ...names, signal, onProgress })
  const rootDigest = `sha256:${verified.rootDigest}`
  const { signer, time } = verified
  return {
    lines: summary(`Verified ${shown(model)}`, [
      ['signer', `${signer.method} ${shown(signer.name)}`],
      ...factsOf(signer, shown),
      ...(time ? [['signed', `before ${time.at}, according to ${shown(time.authority)}`] as const] : []),
      ...revisionFact(verified),
      ['content', checkedAmount(verified) + (flags.ignoreUnsignedFiles ? ', unsigned files ignored' : '')],
      ['root digest', rootDigest],
    ]),
    json: { result: { ...verified, rootDigest } },
  }
}
