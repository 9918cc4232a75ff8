import type { Verdict } from '@modelseal/core'
import type { InspectedBundle, InspectedModel } from '@modelseal/core/verification'
import { Option, type Command } from 'commander'
import {
  formatOption,
  maxBundleBytesOption,
  nonEmpty,
  pathOption,
  sizeLimit,
  withJson,
  type FormatFlag,
} from '../../options.ts'
import type { Outcome, Perform, Session } from '../../perform.ts'
import type { Extent } from '../../inspecting/report.ts'

interface Flags extends FormatFlag {
  policy?: string
  signature?: string
  maxBundleBytes?: number
  html?: string
  markdown?: boolean
}

/** `modelseal inspect BUNDLE|MODEL`: what is known about a model. Without a policy, nothing is verified. */
export function addInspect(program: Command, perform: Perform): void {
  withJson(program.command('inspect'))
    .description(
      'Show everything that is said about a model: who signed what, how and when, and what was attested about it.',
    )
    .argument('<model>', 'bundle, or directory, file or URL (https://, hf://, oci://, s3://) of a model', nonEmpty)
    .addOption(
      pathOption('--policy <path>', 'trust policy that decides which attestations are believed (default: none are)'),
    )
    .addOption(pathOption('--signature <path>', 'bundle of the model (default: the ones next to the model)'))
    .addOption(pathOption('--html <file>', 'write a page that shows it to this file (.html)'))
    .addOption(new Option('--markdown', 'print Markdown instead of text').conflicts('json'))
    .addOption(formatOption())
    .addOption(maxBundleBytesOption())
    .addHelpText('after', HELP)
    .action(perform(inspect))
}

const HELP = `
Without --policy, no file of the model is read, nothing is verified, and everything shown is merely claimed: anyone can write
a bundle or an attestation that names anyone. With --policy, the model is judged as by a load, and each attestation is shown as
believed (it satisfies what the rule requires), signed but not believed, or merely claimed. Use "modelseal verify" to find out
only whether a model is accepted; only that is recorded in the journal of the policy.

In a registry, every attached statement that is not a signature of a model is shown as an attestation, such as the signature
that cosign attaches, which is about another subject. Sigstore bundles of other content are listed as other attachments.

Exit code: 0 if all bundles could be read, 1 if one of them or the file of attestations could not, or there is none. With
--policy, 1 unless the policy accepts the model. A single attestation that cannot be read is shown, and changes nothing.

Examples:
  $ modelseal inspect models/vad
  $ modelseal inspect models/vad --policy modelseal.policy.yaml --html vad.html
  $ modelseal inspect hf://org/vad@v1.0 --json`

async function inspect(
  model: string,
  { policy, signature, format, maxBundleBytes, html, markdown }: Flags,
  { signal, onProgress }: Session,
): Promise<Outcome> {
  if (format !== undefined && policy === undefined) await refuseFormatAlone()
  const { inspectModel } = await import('@modelseal/core/verification')
  const { weighAttestations } = await import('@modelseal/core/attestation')
  const inspection = await inspectModel(model, { signature, maxBundleBytes, signal })
  if (policy !== undefined && inspection.model === undefined) await refusePolicyForBundle(model)
  const page = html === undefined ? undefined : await (await pages()).checkedPagePath(html, inspection.model)
  const { previewVerdict } = await import('@modelseal/core/policy')
  const judged =
    policy === undefined
      ? undefined
      : await previewVerdict(model, {
          policy,
          signature,
          format,
          maxBundleBytes,
          ...sizeLimit(model),
          signal,
          onProgress,
        })
  if (judged) await refuseWithoutPolicy(judged)
  const weighed = weighAttestations(inspection, judged)
  const known = { inspection, verdict: judged, ...weighed }
  const exitCode = isGood(inspection, judged) ? {} : { exitCode: 1 }
  const bundles = inspection.bundles.map(named)
  const result = { verified: false, ...inspection, ...weighed, bundles, ...(judged && { verdict: judged }) }
  const json = { result: { ...result, ...(page !== undefined && { page }) } }
  const { reportOf } = await import('../../inspecting/report.ts')
  if (page !== undefined) {
    const { reportPage } = await import('../../inspecting/page.ts')
    await (await pages()).writePage(page, reportPage(reportOf(known, PAGE)))
    if (!markdown) return { lines: [`Wrote ${page}`], json, ...exitCode }
  }
  if (markdown) {
    const { reportMarkdown } = await import('../../inspecting/markdown.ts')
    const notes = page === undefined ? [] : [`Wrote ${page}`]
    return { lines: reportMarkdown(reportOf(known, PAGE)).split('\n'), notes, json, ...exitCode }
  }
  const { shown } = await import('@modelseal/core/errors')
  const { reportLines } = await import('../../inspecting/text.ts')
  return { lines: reportLines(reportOf(known, { ...TEXT, show: shown }), shown), json, ...exitCode }
}

function pages() {
  return import('../../pages/write-page.ts')
}

const TEXT = { attestations: 100, rows: 20, characters: 10_000 }
/** Few megabytes, whatever was attested. */
const PAGE: Extent = { attestations: 200, rows: 100, characters: 20_000, show: (text) => text }

async function refuseFormatAlone(): Promise<never> {
  const { ModelSealError } = await import('@modelseal/core/errors')
  throw new ModelSealError('INVALID_ARGUMENT', 'Cannot use --format without --policy: only rules match by format.')
}

async function refusePolicyForBundle(model: string): Promise<never> {
  const { ModelSealError, shown } = await import('@modelseal/core/errors')
  throw new ModelSealError('INVALID_ARGUMENT', `Cannot judge ${shown(model)} by a policy: it is a bundle.`, {
    hint: 'Name the model instead.',
  })
}

/** A policy that cannot be read says nothing about the model, so that there is nothing to show. */
async function refuseWithoutPolicy(verdict: Verdict): Promise<void> {
  const { policy, error } = verdict
  if (policy !== undefined || !error) return
  const { ModelSealError } = await import('@modelseal/core/errors')
  const refusal = ModelSealError.revive(error)
  refusal.verdict = verdict
  throw refusal
}

/** What else is attached in a registry does not matter, if there is a bundle. */
function isGood({ bundles, attestationsError }: InspectedModel, verdict: Verdict | undefined): boolean {
  if (verdict && verdict.decision !== 'accepted') return false
  return !attestationsError && bundles.every(({ error }) => !error) && bundles.some(({ other }) => other === undefined)
}

/** Digests as everywhere in results. */
function named(bundle: InspectedBundle) {
  const { statement } = bundle
  return statement ? { ...bundle, statement: { ...statement, rootDigest: `sha256:${statement.rootDigest}` } } : bundle
}
