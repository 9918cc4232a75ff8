import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ModelSealError, openVerifiedModel, type ModelReader, type OpenOptions, type Verdict } from '@modelseal/core'
import { loadVerifiedModel, verified } from '@modelseal/tfjs'
import * as tensorflow from '@tensorflow/tfjs'
import { afterAll, describe, expect, test } from 'vitest'
import { Workspace } from '../signed-models.ts'

// A model.json states its own format, and policy rules can depend on the format. This claim must not cause a tampered
// model to be loaded unverified, or to be verified by a rule for a format other than the one loaded.

tensorflow.enableProdMode()

const workspace = new Workspace()
afterAll(() => workspace[Symbol.dispose]())

type Claim = 'graph-model' | 'layers-model'

/** A layers model that anyone can make: its format is just a field. */
function layersModel(claim: Claim | undefined, units = 1): string {
  const layer = {
    class_name: 'Dense',
    config: {
      name: 'dense',
      units,
      batch_input_shape: [null, 1],
      kernel_initializer: { class_name: 'Zeros', config: {} },
    },
  }
  return JSON.stringify({
    ...(claim === undefined ? {} : { format: claim }),
    modelTopology: { class_name: 'Sequential', config: { name: 'm', layers: [layer] } },
    weightsManifest: [],
  })
}

function policyOf(...rules: string[]): string {
  const text = readFileSync(workspace.policy, 'utf8')
  const path = join(workspace.path, `policy-${rules.join('').length}-${Math.random()}.yaml`)
  writeFileSync(path, text.replace(/rules:[^]*/, `rules:\n${rules.map((rule) => `  - ${rule}\n`).join('')}`))
  return path
}

const rule = (name: string, match: string, more: string) => `{ name: ${name}, match: { ${match} }, ${more} }`
const ENFORCE = 'signers: [{ key: release }]'
const AUDIT = `mode: audit, ${ENFORCE}`
const SKIP = 'mode: skip, reason: tested'
const GRAPH = 'path: "models/**", format: tfjs-graph'
const LAYERS = 'path: "models/**", format: tfjs-layers'
const ANY = 'path: "models/**"'

const loaded: unknown[] = []
const note = () => {
  loaded.push(1)
  return Promise.resolve({} as never)
}
const tf = { ...tensorflow, loadGraphModel: note, loadLayersModel: note } as unknown as typeof tensorflow

async function outcome(load: () => Promise<{ verdict: Verdict }>): Promise<string> {
  loaded.length = 0
  try {
    const { verdict } = await load()
    return `${verdict.decision} by ${verdict.rule}, ${verdict.mode}`
  } catch (error) {
    if (!(error instanceof ModelSealError)) throw error
    expect(loaded).toEqual([])
    return error.code
  }
}

/** A signed layers model whose model.json was replaced afterwards. */
async function tampered(name: string, content: string): Promise<string> {
  const directory = await workspace.sign(name, { 'model.json': layersModel('layers-model') })
  writeFileSync(join(directory, 'model.json'), content)
  return directory
}

describe('a tampered layers model that claims to be a graph model', async () => {
  const directory = await tampered('claims', layersModel('graph-model', 2))
  const load = (policy: string) => outcome(() => loadVerifiedModel(tf, directory, { policy }))

  test.each([
    ['an audit of graph models', [rule('g', GRAPH, AUDIT), rule('rest', ANY, ENFORCE)], 'FILE_MISMATCH'],
    ['an audit of graph models alone', [rule('g', GRAPH, AUDIT)], 'FILE_MISMATCH'],
    ['a skip of graph models', [rule('g', GRAPH, SKIP), rule('rest', ANY, ENFORCE)], 'FORMAT_UNPROVEN'],
    ['an audit of all but layers models', [rule('l', LAYERS, ENFORCE), rule('rest', ANY, AUDIT)], 'FILE_MISMATCH'],
    ['a skip of all but layers models', [rule('l', LAYERS, ENFORCE), rule('rest', ANY, SKIP)], 'FORMAT_UNPROVEN'],
    [
      'an audit of graph models in a list of formats',
      [rule('g', 'path: "models/**", format: [onnx, tfjs-graph]', AUDIT), rule('rest', ANY, ENFORCE)],
      'FILE_MISMATCH',
    ],
  ])('is refused under %s', async (_, rules, code) => {
    expect(await load(policyOf(...rules))).toBe(code)
  })

  test('is refused without a format or with an unknown one', async () => {
    const policy = policyOf(rule('g', GRAPH, AUDIT), rule('rest', ANY, AUDIT))
    for (const [name, content] of [
      ['format', '{"format":"tflite","modelTopology":{}}'],
      ['json', '{'],
    ] as const) {
      const path = await tampered(`odd-${name}`, content)
      expect(await outcome(() => loadVerifiedModel(tf, path, { policy }))).toBe('FORMAT_UNPROVEN')
    }
  })
})

describe('a signed model', async () => {
  const honest = await workspace.sign('honest', { 'model.json': layersModel('layers-model') })
  const load = (policy: string, format?: 'tfjs-graph' | 'tfjs-layers') =>
    outcome(() => loadVerifiedModel(tf, honest, { policy, format }))

  test('is verified under an enforced rule if only its claim selects the rule', async () => {
    expect(await load(policyOf(rule('l', LAYERS, AUDIT)))).toBe('accepted by l, enforce')
    expect(await load(policyOf(rule('g', GRAPH, AUDIT), rule('rest', ANY, AUDIT)))).toBe('accepted by rest, enforce')
  })
  test('is skipped by a rule for the format that the program states', async () => {
    expect(await load(policyOf(rule('l', LAYERS, SKIP)), 'tfjs-layers')).toBe('skipped by l, skip')
    expect(await load(policyOf(rule('l', LAYERS, SKIP)), 'tfjs-graph')).toBe('POLICY_NO_MATCH')
  })
  test('is judged without its claim if no rules differ by format', async () => {
    const both = 'path: "models/**", format: [tfjs-graph, tfjs-layers]'
    expect(await load(policyOf(rule('both', both, SKIP)))).toBe('skipped by both, skip')
    expect(await load(policyOf(rule('o', 'format: onnx', ENFORCE), rule('rest', ANY, AUDIT)))).toBe(
      'accepted by rest, audit',
    )
  })
})

describe('a loader that selected its rule by a claim', async () => {
  const directory = await workspace.sign('raced', { 'model.json': layersModel('layers-model') })
  const policy = policyOf(rule('g', GRAPH, ENFORCE), rule('l', LAYERS, ENFORCE), rule('rest', ANY, AUDIT))
  const open = (claim: 'tfjs-graph' | 'tfjs-layers', met: (reader: Pick<ModelReader, 'loads'>) => void) => {
    const format = { oneOf: ['tfjs-graph', 'tfjs-layers'], claimed: () => Promise.resolve(claim) } as const
    return outcome(() =>
      openVerifiedModel(directory, { policy, format }, async (reader) => {
        met(reader)
        return Promise.resolve()
      }),
    )
  }

  test('is refused a format other than the claimed one, and an invalid answer', async () => {
    expect(await open('tfjs-layers', (reader) => reader.loads('tfjs-layers'))).toBe('accepted by l, enforce')
    expect(await open('tfjs-graph', (reader) => reader.loads('tfjs-layers'))).toBe('MODEL_FORMAT')
    expect(await open('tfjs-graph', () => undefined)).toBe('MODEL_FORMAT')
    expect(await open('onnx' as never, (reader) => reader.loads('onnx'))).toBe('POLICY_NO_MATCH')
  })
})

describe('the format of an adapter that the core does not know', async () => {
  const directory = await workspace.sign('foreign', { 'weights.gguf': 'weights' })
  writeFileSync(join(directory, 'weights.gguf'), 'changed')
  const rules = (match: string) => policyOf(rule('gguf', match, SKIP), rule('rest', ANY, ENFORCE))
  const load = (policy: string, format: OpenOptions['format']) =>
    outcome(() =>
      openVerifiedModel(directory, { policy, format }, (reader) => {
        if (typeof format === 'object') reader.loads(format.oneOf[0] ?? '')
        return Promise.resolve()
      }),
    )

  test('selects the rule that names it, and no other format does', async () => {
    const policy = rules('path: "models/**", format: [onnx, gguf]')
    expect(await load(policy, 'gguf')).toBe('skipped by gguf, skip')
    for (const format of [undefined, 'ggml', 'saved-model']) expect(await load(policy, format)).toBe('FILE_MISMATCH')
  })

  test('selects no rule in the mode audit or skip if only the model claims it', async () => {
    const claimed = () => Promise.resolve('gguf')
    const policy = rules('path: "models/**", format: gguf')
    expect(await load(policy, { oneOf: ['gguf', 'ggml'], claimed })).toBe('FORMAT_UNPROVEN')
    // The adapter cannot load this format.
    expect(await load(policy, { oneOf: ['ggml', 'ggjt'], claimed })).toBe('FILE_MISMATCH')
  })

  test.each(['onxn', 'ONNX', 'tfjsgraph', 'save-model', 'any', '', 'gg_uf', '-gguf', 'a'.repeat(41), 'gguf\n'])(
    'cannot be %j',
    async (format) => {
      const policy = rules('path: "models/**", format: gguf')
      expect(await load(policy, format)).toBe('INVALID_ARGUMENT')
      expect(await load(policy, { oneOf: ['gguf', format], claimed: () => Promise.resolve('gguf') })).toBe(
        'INVALID_ARGUMENT',
      )
      const inPolicy = rules(`path: "models/**", format: [gguf, ${JSON.stringify(format)}]`)
      expect(await load(inPolicy, 'gguf')).toBe('POLICY_INVALID')
    },
  )
})

test('a signed model is refused if the format of its model.json is not the one that selected the rule', async () => {
  // The model.json in the directory makes the claim; the program requests another signed file.
  const directory = await workspace.sign('two', {
    'model.json': layersModel('layers-model'),
    'other.json': layersModel(undefined),
  })
  const { loadGraphModel } = verified(tf, { policy: policyOf(rule('g', GRAPH, ENFORCE), rule('rest', ANY, AUDIT)) })
  await expect(loadGraphModel(join(directory, 'other.json'))).rejects.toMatchObject({ code: 'MODEL_FORMAT' })
})
