import type { OpenDatasetOptions, OpenOptions, Verdict } from '@modelseal/core'
import { Option, type Command } from 'commander'
import { checkedAmount, revisionFact, summary } from '../../output.ts'
import {
  formatOption,
  MODEL,
  nonEmpty,
  sizeLimit,
  withJson,
  withJudging,
  type FormatFlag,
  type JudgingFlags,
} from '../../options.ts'
import type { Outcome, Perform, Session } from '../../perform.ts'

/** `modelseal verify MODEL --policy FILE`: what a load would decide, without loading. */
export function addVerifyPolicy(program: Command, perform: Perform): Command {
  return withJudging(withJson(program.command('verify')))
    .description('Verify a model against a trust policy, as a load does, or by a method: verify key, …')
    .argument('<model>', MODEL, nonEmpty)
    .addOption(formatOption())
    .addOption(
      new Option('--vsa <method>', 'also sign a summary of the verdict with this method, into the file OUT').choices([
        'sigstore',
        'key',
        'certificate',
        'pkcs11-key',
        'pkcs11-certificate',
      ]),
    )
    .addHelpText('after', HELP)
    .action(perform(verifyByPolicy))
}

const HELP = `
Without --policy, the policy is the one in the environment variable MODELSEAL_POLICY, or else the nearest
modelseal.policy.yaml (.yml, .json) from the working directory upward.

This command checks everything that a load checks, so it has no --only: "files: loaded" in the policy says whether a
part of the files is enough. With a method, --only checks a part. With "--format dataset", every file is read and compared,
even though a program compares only what it reads.

With "--vsa METHOD", a second argument OUT, "--verifier-id" and the options of "sign METHOD", the verdict is also signed, as an
SLSA Verification Summary. "modelseal verify --vsa key --help" describes these options.

Examples:
  $ modelseal verify models/vad --policy modelseal.policy.yaml
  $ modelseal verify models/vad --policy modelseal.policy.yaml --verifier-id https://models.example/verifier \\
      --vsa key --private-key verifier.key vad.vsa.json
  $ modelseal verify key models/vad --signature models/vad/model.sig --public-key release.pub`

async function verifyByPolicy(
  model: string,
  { format, maxBytes, policy, signature, maxBundleBytes }: JudgingFlags & FormatFlag,
  { signal, onProgress }: Session,
): Promise<Outcome> {
  const { shown } = await import('@modelseal/core/errors')
  const options = { policy, signature, maxBundleBytes, ...sizeLimit(model, maxBytes), signal, onProgress }
  const verdict = await (format === 'dataset'
    ? verifyDataset(model, options)
    : verifyModel(model, { ...options, format }))
  if (verdict.decision !== 'accepted') return notVerified(verdict)
  const lines = summary(`Accepted ${shown(model)}`, acceptedFacts(verdict, shown))
  return { lines, json: { verdict }, notes: notesOf(verdict) }
}

async function verifyModel(model: string, options: OpenOptions): Promise<Verdict> {
  const { openVerifiedModel } = await import('@modelseal/core')
  const verified = await openVerifiedModel(model, options)
  await verified.close()
  return verified.verdict
}

/** A program verifies what it reads of a dataset when it reads it. This reads everything. */
async function verifyDataset(model: string, options: OpenDatasetOptions): Promise<Verdict> {
  const { openVerifiedDataset } = await import('@modelseal/core')
  const dataset = await openVerifiedDataset(model, options)
  try {
    const { decision, verdict } = dataset
    if (decision !== 'accepted' || verdict.files.checked === verdict.files.signed) return verdict
    let bytes = 0
    for (const name of dataset.files) for await (const part of await dataset.stream(name)) bytes += part.byteLength
    return { ...verdict, files: { checked: verdict.files.signed, signed: verdict.files.signed }, bytes }
  } finally {
    await dataset.close()
  }
}

/** A model that a rule allows without a valid signature is not verified. */
export async function notVerified(verdict: Verdict): Promise<Outcome> {
  const { explain } = await import('@modelseal/core/policy')
  return { lines: explain(verdict).split('\n'), json: { verdict }, notes: notesOf(verdict), exitCode: 1 }
}

function notesOf({ warnings = [] }: Verdict): string[] {
  return warnings.map(({ message }) => message)
}

/** What is reported about a model that a policy accepts. */
export function acceptedFacts(
  { policy, rule, model, bundles, checks, advisories = [], files, bytes }: Verdict,
  shown: (value: string) => string,
): (readonly [string, string])[] {
  return [
    ['policy', `${shown(policy ?? '')}, rule ${shown(rule ?? '')}`],
    ...bundles.flatMap(({ counted, signer, time }): [string, string][] => {
      if (!counted || !signer) return []
      return [
        ['signer', `${signer.method} ${shown(signer.name)}`],
        ['signed by', signer.description],
        ...(time
          ? [['signed', `before ${time.at}, according to ${shown(time.authority)}`] satisfies [string, string]]
          : []),
      ]
    }),
    ...checks.flatMap(({ check, outcome, reason }): [string, string][] =>
      check === 'attestations' && outcome === 'passed' ? [['attestation', reason]] : [],
    ),
    ...advisories.map(({ feed, source, sequence, confirmedAt, error }): [string, string] => {
      const version =
        sequence === undefined ? 'no version' : `version ${sequence}, the current one at ${confirmedAt ?? ''}`
      const failure = error ? ` (looking for a newer one failed: ${error.code})` : ''
      return ['advisories', `${shown(feed ?? source)}, ${version}${failure}`]
    }),
    ...revisionFact(model),
    ['content', checkedAmount({ files, bytes })],
    ['root digest', `sha256:${model.rootDigest ?? ''}`],
  ]
}
