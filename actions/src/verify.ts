import { getBooleanInput, setOutput } from '@actions/core'
import { judgeModel, type Verdict } from '@modelseal/core'
import { ModelSealError } from '@modelseal/core/errors'
import { explain } from '@modelseal/core/policy'
import { updateTrustRoot } from '@modelseal/core/verification'
import '@modelseal/hub'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { optionalInput, requiredInput, tufInstance } from './inputs.ts'
import { runAction, type Section } from './run-action.ts'
import type { Fact } from './summary.ts'
import { writeLines } from './workflow-text.ts'

void runAction(verify)

/** Judges a model by a policy, as a load does. Only an accepted model lets the job go on. */
async function verify(): Promise<Section> {
  const model = requiredInput('model')
  const tuf = tufInstance()
  if (tuf ?? getBooleanInput('update-trust-root')) await updateTrustRoot(tuf ?? 'public-good')
  const verdict = await judgeModel(model, { policy: optionalInput('policy'), signature: optionalInput('signature') })
  writeLines(explain(verdict))
  await setOutputs(verdict)
  return { title: `Model ${verdict.decision}`, facts: factsOf(verdict, model), failure: failureIn(verdict), model }
}

async function setOutputs(verdict: Verdict): Promise<void> {
  const { decision, rule, model, bundles, error } = verdict
  const signers = bundles.flatMap(({ counted, signer }) => (counted && signer ? [signer] : []))
  setOutput('decision', decision)
  setOutput('code', error?.code ?? '')
  setOutput('rule', rule ?? '')
  setOutput('signers', JSON.stringify(decision === 'accepted' ? signers : []))
  setOutput('root-digest', decision === 'accepted' ? `sha256:${model.rootDigest ?? ''}` : '')
  setOutput('verdict-file', await written(verdict))
}

/** A verdict may name thousands of files, and the outputs of a job may not exceed a megabyte. */
async function written(verdict: Verdict): Promise<string> {
  const directory = await mkdtemp(join(process.env['RUNNER_TEMP'] ?? tmpdir(), 'modelseal-'))
  const file = join(directory, 'verdict.json')
  await writeFile(file, JSON.stringify(verdict))
  return file
}

function failureIn({ decision, error, wouldRefuse, rule }: Verdict): ModelSealError | undefined {
  if (decision === 'accepted') return undefined
  const reason = error ?? wouldRefuse
  if (reason) return ModelSealError.revive(reason)
  return new ModelSealError('MODEL_UNVERIFIED', `Cannot verify the model: the rule "${rule ?? ''}" skips the check.`)
}

function factsOf({ policy, rule, model, bundles, advisories = [], files }: Verdict, asked: string): Fact[] {
  return [
    ['model', asked],
    ['revision', model.revision],
    ['policy', policy],
    ['rule', rule],
    ...bundles.map(({ counted, signer }): Fact => ['signed by', counted ? signer?.description : undefined]),
    ...advisories.map(({ feed, source, sequence }): Fact => [
      'advisories',
      `${feed ?? source}, version ${sequence ?? 'unknown'}`,
    ]),
    ['files checked', `${files.checked} of ${files.signed}`],
    ['root digest', model.rootDigest],
  ]
}
