import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as transformers from '@huggingface/transformers'
import type { LoadOutcome } from '@modelseal/core/adapter'
import { attestModel, makeEvaluation } from '@modelseal/core/attestation'
import { keySigner } from '@modelseal/core/signing'
import * as onnx from '@modelseal/onnxruntime'
import { createVerified } from '@modelseal/onnxruntime/any-runtime'
import * as tfjs from '@modelseal/tfjs'
import { attestationsOf, verdictOf, verified } from '@modelseal/transformers'
import * as tf from '@tensorflow/tfjs'
import * as ort from 'onnxruntime-node'
import { afterAll, expect, test } from 'vitest'
import { addingModel, floats } from './onnx-models.ts'
import { blazeFace, Workspace } from './signed-models.ts'
import { tinyModel } from './transformers-models.ts'

tf.enableProdMode()

const workspace = new Workspace()
afterAll(() => workspace[Symbol.dispose]())

const REVIEW = 'https://example.org/review/v1'
const mallory = await keySigner({ privateKey: workspace.key('mallory') })
const lab = await keySigner({ privateKey: workspace.key('lab') })
const release = await keySigner({ privateKey: join(workspace.path, 'release.key') })

const plain = readFileSync(workspace.policy, 'utf8')
/** Requires an accurate evaluation by the lab. */
const policy = join(workspace.path, 'evaluated.yaml')
writeFileSync(
  policy,
  `${plain.replace('rules:', '  lab: { publicKey: ./lab.pub }\nrules:')}
    require:
      attestations: [{ type: evaluation, signers: [{ key: lab }], where: [{ metric: accuracy, atLeast: 0.9 }] }]
`,
)
/** Requires the same, but loads what does not satisfy it. */
const auditing = join(workspace.path, 'auditing.yaml')
writeFileSync(auditing, readFileSync(policy, 'utf8').replace('- name: models', '- name: models\n    mode: audit'))

const adding = { 'model.onnx': addingModel('w.bin'), 'w.bin': floats(1, 2) }

function evaluation(value: number) {
  return makeEvaluation({ results: [{ metric: 'accuracy', value }], evaluatedOn: '2025-01-01T00:00:00Z' })
}

/** A signed model with one attestation that satisfies the rule, and others that do not. */
async function attested(name: string, files: Record<string, string | Uint8Array>): Promise<string> {
  const model = await workspace.sign(name, files)
  await attestModel(model, { signer: lab, type: 'evaluation', predicate: evaluation(0.5) })
  await attestModel(model, { signer: mallory, type: 'evaluation', predicate: evaluation(0.99) })
  await attestModel(model, { signer: lab, type: 'evaluation', predicate: evaluation(0.94) })
  await attestModel(model, { signer: release, type: REVIEW, predicate: { approved: true } })
  return model
}

function expectBelieved(outcome: LoadOutcome): void {
  expect(outcome.verdict.attestations).toHaveLength(4)
  if (outcome.decision !== 'accepted') throw new Error(outcome.decision)
  const { attestations } = outcome
  expect(attestations('evaluation')).toMatchObject([
    { content: { results: [{ metric: 'accuracy', value: 0.94 }] }, signer: { method: 'key', name: 'lab' } },
  ])
  expect(attestations(REVIEW)).toEqual([])
  expect(() => attestations(1 as never)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
}

test('onnxruntime gets the session with the attestations that its rule believed', async () => {
  const model = await attested('adding', adding)
  const loaded = await onnx.loadVerifiedModel(model, { policy })
  expectBelieved(loaded)
  const created = await createVerified(ort, model, { policy })
  expectBelieved(created)
  await Promise.all([loaded, created].map(({ session }) => session.release()))
})

test('tfjs gets the model with the attestations that its rule believed', async () => {
  const loaded = await tfjs.loadVerifiedModel(tf, await attested('blazeface', blazeFace()), { policy })
  expectBelieved(loaded)
  loaded.model.dispose()
})

test('transformers tells the attestations that the rule believed for what it loaded', async () => {
  const model = await attested('tiny', tinyModel({ mark: 7 }))
  const embed = await verified(transformers, { policy }).pipeline('feature-extraction', model)
  const tokenizer = await verified(transformers, { policy }).AutoTokenizer.from_pretrained(model)
  for (const loaded of [embed, tokenizer]) {
    const [found, ...more] = attestationsOf(loaded, 'evaluation')
    expect(more).toEqual([])
    expect(found).toMatchObject({ content: { results: [{ value: 0.94 }] }, signer: { name: 'lab' } })
    expect(attestationsOf(loaded, REVIEW)).toEqual([])
    expect(verdictOf(loaded)?.attestations).toHaveLength(4)
  }
  expect(() => attestationsOf(embed, 1 as never)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
  expect(attestationsOf({}, 'evaluation')).toEqual([])
  expect(() => attestationsOf({}, 'evaluations' as 'evaluation')).toThrow(
    expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
  )
  await embed.dispose()
})

test('a model that was loaded unverified has no attestations', async () => {
  const directory = await workspace.sign('unevaluated', adding)
  await attestModel(directory, { signer: mallory, type: 'evaluation', predicate: evaluation(0.99) })
  const loaded = await onnx.loadVerifiedModel(directory, { policy: auditing })
  expect(loaded).toMatchObject({ decision: 'tolerated', verdict: { wouldRefuse: { code: 'SIGNER_NOT_TRUSTED' } } })
  expect(loaded).not.toHaveProperty('attestations')
  await loaded.session.release()

  const tiny = await workspace.sign('unevaluated-tiny', tinyModel({ mark: 8 }))
  const embed = await verified(transformers, { policy: auditing }).pipeline('feature-extraction', tiny)
  expect(verdictOf(embed)?.decision).toBe('tolerated')
  expect(attestationsOf(embed, 'evaluation')).toEqual([])
  await embed.dispose()
})
