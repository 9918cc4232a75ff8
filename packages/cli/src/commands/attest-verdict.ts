import { basename } from 'node:path'
import type { Command } from 'commander'
import { isRemote } from '../hubs.ts'
import { isUri, nonEmpty, pathOption } from '../options.ts'
import type { Session } from '../perform.ts'
import type { AttestedContent } from './attest-content.ts'

/** Options of the summary of a verdict. */
export interface VerdictFlags {
  policy?: string
  policyUri?: string
  verifierId?: string
  resourceUri?: string
  verifiedLevel: string[]
  signature?: string
}

/** What a policy has verified about a model. */
export interface VerifiedByPolicy {
  rootDigest: string
  /** Whether every signed file was compared. */
  isWhole: boolean
  files: number
  bytes: number
}

/** Adds the options of {@link VerdictFlags}, except for the bundle. */
export function withVerdict(command: Command): Command {
  return command
    .addOption(
      pathOption('--policy <path>', 'verification summary: trust policy (default: the one that a load would find)'),
    )
    .option('--policy-uri <uri>', 'verification summary: where others find it (default: its file name)', nonEmpty)
    .option('--verifier-id <uri>', 'verification summary: the verifier on whose behalf you sign', isUri)
    .option(
      '--resource-uri <uri>',
      'verification summary: where the model comes from (default: its URL or name)',
      nonEmpty,
    )
    .option(
      '--verified-level <level>',
      'verification summary: level of SLSA that was verified, such as SLSA_BUILD_LEVEL_3; may be repeated',
      (level: string, levels: string[]) => [...levels, nonEmpty(level)],
      [],
    )
}

/**
 * Verifies the model by the policy, and summarizes the verdict.
 *
 * @throws `ModelSealError` as a load does
 */
export async function attestedVerdict(
  model: string,
  { policy, policyUri, verifierId = '', resourceUri, verifiedLevel, signature }: VerdictFlags,
  { signal, onProgress }: Session,
): Promise<AttestedContent> {
  const { loadPolicy, openVerifiedModel } = await import('@modelseal/core')
  const { makeVerificationSummary } = await import('@modelseal/core/attestation')
  const { ModelSealError, shown } = await import('@modelseal/core/errors')
  const { policyDigests } = await import('@modelseal/core/policy')
  const loaded = await loadPolicy(policy)
  const { path } = loaded
  const { file: sha256, files: policyFiles } = policyDigests(loaded)
  const opened = await openVerifiedModel(model, { policy: loaded, signature, signal, onProgress })
  await opened.close()
  if (opened.decision !== 'accepted') {
    const { wouldRefuse } = opened.verdict
    const why = wouldRefuse ? `the policy only tolerates it (${wouldRefuse.code})` : 'the policy does not check it'
    throw new ModelSealError(
      'ATTESTATION_INPUT',
      `Cannot attest that the model ${shown(model)} was verified: ${why}.`,
      {
        hint: 'A summary needs a policy whose decision about the model is "accepted".',
      },
    )
  }
  const { verdict } = opened
  const predicate = makeVerificationSummary({
    verifier: verifierId,
    resourceUri: resourceUri ?? (isRemote(model) ? model : (verdict.model.name ?? basename(model))),
    policy: { uri: policyUri ?? basename(path), sha256, policyFiles },
    isAccepted: true,
    verifiedLevels: verifiedLevel,
  })
  return {
    predicate,
    source: `the verdict of the policy ${shown(path)}`,
    verified: {
      rootDigest: verdict.model.rootDigest,
      isWhole: verdict.files.checked === verdict.files.signed,
      files: verdict.files.checked,
      bytes: verdict.bytes,
    },
  }
}
