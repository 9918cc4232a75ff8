import { basename } from 'node:path'
import type { AcceptedVerdict, Manifest, Verdict } from '@modelseal/core'
import type { PolicyDigests } from '@modelseal/core/policy'
import type { Command } from 'commander'
import { isRemote } from '../../hubs.ts'
import { isUri, nonEmpty, pathOption, sizeLimit, type JudgingFlags } from '../../options.ts'
import type { Session } from '../../perform.ts'
import type { AttestedContent } from './attest-content.ts'

/** Options of the summary of a verdict, apart from what is judged. */
export interface SummaryFlags {
  policyUri?: string
  verifierId?: string
  resourceUri?: string
  verifiedLevel: string[]
}

/** Options of the summary of a verdict. */
export interface VerdictFlags extends SummaryFlags, JudgingFlags {}

/** What a policy has verified about a model. */
export interface VerifiedByPolicy {
  modelIdentity: string
  /** Whether every signed file was compared. */
  isWhole: boolean
  files: number
  bytes: number
}

/** Adds the options of {@link SummaryFlags}, and the policy. */
export function withVerdict(command: Command): Command {
  return withSummary(
    command.addOption(
      pathOption('--policy <path>', 'verification summary: trust policy (default: the one that a load would find)'),
    ),
  )
}

/** Adds the options of {@link SummaryFlags}. */
export function withSummary(command: Command): Command {
  return command
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
export async function attestedVerdict(model: string, flags: VerdictFlags, session: Session): Promise<AttestedContent> {
  const { ModelSealError, shown } = await import('@modelseal/core/errors')
  const judged = await judgedBy(model, flags, session)
  if (!isAccepted(judged)) {
    const { wouldRefuse } = judged.verdict
    const why = wouldRefuse ? `the policy only tolerates it (${wouldRefuse.code})` : 'the policy does not check it'
    throw new ModelSealError(
      'ATTESTATION_INPUT',
      `Cannot attest that the model ${shown(model)} was verified: ${why}.`,
      {
        hint: 'A summary needs a policy whose decision about the model is "accepted".',
      },
    )
  }
  return summarized(model, flags, judged)
}

/** A verdict about a model that was not refused, and the policy that it is by. */
interface Judged {
  verdict: Verdict
  /** Undefined if the policy does not accept the model. */
  manifest: Manifest | undefined
  path: string
  digests: PolicyDigests
}

interface Accepted extends Judged {
  verdict: AcceptedVerdict
  manifest: Manifest
}

/**
 * Judges a model as a load does.
 *
 * @throws `ModelSealError` as a load does
 */
export async function judgedBy(
  model: string,
  { policy, signature, maxBundleBytes, maxBytes }: JudgingFlags,
  { signal, onProgress }: Session,
): Promise<Judged> {
  const { loadPolicy, openVerifiedModel } = await import('@modelseal/core')
  const { policyDigests } = await import('@modelseal/core/policy')
  const loaded = await loadPolicy(policy)
  const limits = { maxBundleBytes, ...sizeLimit(model, maxBytes) }
  const opened = await openVerifiedModel(model, { policy: loaded, signature, ...limits, signal, onProgress })
  await opened.close()
  return { verdict: opened.verdict, manifest: opened.manifest, path: loaded.path, digests: policyDigests(loaded) }
}

/** Whether the verdict can be summarized. */
export function isAccepted(judged: Judged): judged is Accepted {
  return judged.verdict.decision === 'accepted' && judged.manifest !== undefined
}

/**
 * Makes a summary of a verdict. It is about all files, so all of them must have been compared, or be here to be compared.
 *
 * @throws `ModelSealError` `ATTESTATION_INPUT`
 */
export async function summarized(
  model: string,
  { policyUri, verifierId = '', resourceUri, verifiedLevel }: SummaryFlags,
  { verdict, manifest, path, digests: { file: sha256, files: policyFiles } }: Accepted,
): Promise<SummarizedVerdict> {
  const { makeVerificationSummary, modelIdentity } = await import('@modelseal/core/attestation')
  const { ModelSealError, shown } = await import('@modelseal/core/errors')
  const { checked, signed } = verdict.files
  const isWhole = checked === signed
  if (!isWhole && isRemote(model)) {
    throw new ModelSealError(
      'ATTESTATION_INPUT',
      `Cannot sign a summary of the verdict about the model ${shown(model)}: not all of its files were verified.`,
      {
        expected: `${signed} verified files`,
        found: `${checked}, because the rule ${shown(verdict.rule)} checks only what is loaded`,
        hint: 'Download the model with "modelseal pull", which verifies all of it, and name its directory.',
      },
    )
  }
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
      modelIdentity: modelIdentity(manifest),
      isWhole,
      files: checked,
      bytes: verdict.bytes,
    },
  }
}

/** {@link AttestedContent} that says what was verified. */
type SummarizedVerdict = AttestedContent & { verified: VerifiedByPolicy }
