import { describe, expect, test } from 'vitest'
import { dataCard, type DataCard } from './data-card.ts'
import { faultsIn } from './kind.ts'
import { kindOfStatement, makePredicate } from './kinds.ts'
import { modelCard, type ModelCard } from './model-card.ts'

const README = `---
# As on Hugging Face
language:
  - de
  - no
license: apache-2.0
library_name: transformers
pipeline_tag: text-classification
base_model: org/base
base_model_relation: finetune
datasets: [glue, squad]
tags:
- text
- 2024
- true
inference: false
model-index:
- name: vad
  results:
  - task: { type: text-classification }
    dataset: { type: glue, name: GLUE, config: mrpc, split: validation }
    metrics:
    - { type: accuracy, value: 0.9400, name: Accuracy }
    - type: f1
      value: 92.3%
---

# VAD

Detects *voices*.
`

const DATASET = `---
license:
- cc-by-4.0
- other
license_name: house rules
license_link: LICENSE
language: de
task_categories: [text-classification]
size_categories: 1K<n<10K
source_datasets: [original, 'extended|squad']
pretty_name: Voices
configs:
  - { config_name: default, data_files: [{ split: train, path: data/train-* }] }
dataset_info:
  features: [{ name: id, dtype: int32 }]
  splits: [{ name: train, num_bytes: 4096, num_examples: 6000 }]
---
`

const of = (text: string | object, file = 'README.md') => ({
  bytes: Buffer.from(typeof text === 'string' ? text : JSON.stringify(text)),
  file,
  name: 'vad',
})
const malformed = faultsIn('ATTESTATION_MALFORMED', 'Cannot read', undefined)
const fieldsOf = (kind: typeof modelCard | typeof dataCard, value: ModelCard | DataCard) =>
  Object.fromEntries(Object.entries(kind.fields).map(([name, read]) => [name, read(value as never)]))
const statement = (predicate: object) => ({
  predicateType: 'https://cyclonedx.org/bom',
  subjects: [],
  predicate: predicate as Record<string, unknown>,
})

/** The document of a model card with other values at its root. */
const model = (component: object = {}, root: object = {}) => ({
  bomFormat: 'CycloneDX',
  specVersion: '1.6',
  metadata: { component: { type: 'machine-learning-model', name: 'vad', modelCard: {}, ...component } },
  ...root,
})
const readModel = (document: object): ModelCard => modelCard.read(document as Record<string, unknown>, malformed)

describe('a model card', () => {
  test('is made from a README.md of Hugging Face', async () => {
    const document = await makePredicate(modelCard, of(README))
    expect(kindOfStatement(statement(document))).toBe(modelCard)
    const card = readModel(document)
    expect(card).toMatchObject({ description: '# VAD\n\nDetects *voices*.', task: 'text-classification' })
    expect(Math.abs(Date.parse(modelCard.statedAt(card)!) - Date.now())).toBeLessThan(60_000)
    expect(fieldsOf(modelCard, card)).toEqual({
      name: ['vad'],
      version: [],
      licence: ['apache-2.0'],
      author: [],
      supplier: [],
      tag: ['text', '2024', 'true'],
      language: ['de', 'no'],
      task: ['text-classification'],
      architecture: [],
      'architecture-family': [],
      dataset: ['glue', 'squad'],
      'base-model': ['org/base'],
      library: ['transformers'],
      metric: ['accuracy', 'f1'],
    })
    expect(card.metrics[0]).toEqual({ metric: 'accuracy', value: '0.9400', slice: 'GLUE (mrpc, validation)' })
    expect(modelCard.measurements?.(card)).toEqual([
      { metric: 'accuracy', value: 0.94, slice: 'GLUE (mrpc, validation)' },
      { metric: 'f1', value: '92.3%', slice: 'GLUE (mrpc, validation)' },
    ])
  })

  test('is taken from a CycloneDX file as it is', async () => {
    const document = model({ version: '2', licenses: [{ expression: 'Apache-2.0 OR MIT' }] })
    expect(await makePredicate(modelCard, of(document, 'bom.json'))).toEqual(document)
  })

  test('has every field that CycloneDX has', () => {
    const component = {
      version: '2',
      licenses: [{ license: { id: 'MIT' } }, { license: { name: 'House Rules' } }, { expression: 'Apache-2.0 OR MIT' }],
      author: 'A',
      authors: [{ name: 'B' }, {}],
      publisher: 'P',
      supplier: { name: 'S' },
      manufacturer: { name: 'S' },
      pedigree: {
        ancestors: [
          {
            type: 'machine-learning-model',
            group: 'org',
            name: 'base',
            hashes: [{ alg: 'SHA-256', content: 'AB'.repeat(32) }],
          },
        ],
      },
      modelCard: {
        modelParameters: {
          architectureFamily: 'transformer',
          modelArchitecture: 'bert',
          datasets: [{ type: 'dataset', name: 'glue' }, { ref: 'd1' }, { ref: 'd2' }],
        },
        considerations: { useCases: ['calls'], technicalLimitations: ['noise'] },
      },
    }
    const components = [{ type: 'data', 'bom-ref': 'd1', name: 'squad' }]
    const card = readModel(model(component, { components }))
    expect(fieldsOf(modelCard, card)).toMatchObject({
      version: ['2'],
      licence: ['mit', 'House Rules', 'apache-2.0 or mit'],
      author: ['B', 'A'],
      supplier: ['S', 'P'],
      architecture: ['bert'],
      'architecture-family': ['transformer'],
      dataset: ['glue', 'squad', 'd2'],
      'base-model': ['org/base', `sha256:${'ab'.repeat(32)}`],
    })
    expect(card).toMatchObject({ useCases: ['calls'], limitations: ['noise'] })
    expect(modelCard.statedAt(card)).toBeUndefined()
  })

  test.each([
    ['0.94', 0.94],
    ['1e-7', 1e-7],
    ['-0.50', -0.5],
    // Text that cannot be compared stays, so that it meets no condition.
    ['0.94 ', '0.94 '],
    ['94%', '94%'],
    ['NaN', 'NaN'],
    ['Infinity', 'Infinity'],
    ['0x10', '0x10'],
    ['', ''],
    ['0.1234567890123456789', '0.1234567890123456789'],
    ['1e999', '1e999'],
  ])('with the metric value "%s" measures %s', (value, expected) => {
    const quantitativeAnalysis = { performanceMetrics: [{ type: 'accuracy', value }] }
    const measured = modelCard.measurements?.(readModel(model({ modelCard: { quantitativeAnalysis } })))
    expect(measured).toEqual([{ metric: 'accuracy', value: expected }])
  })

  test.each<[what: string, document: object, field: string]>([
    ['another version', model({}, { specVersion: '1.5' }), 'specVersion'],
    ['another format', model({}, { bomFormat: 'SPDX' }), 'bomFormat'],
    [
      'a date without a time zone',
      model({}, { metadata: { ...model().metadata, timestamp: '2026-01-01' } }),
      'metadata.timestamp',
    ],
    ['a licence of the wrong type', model({ licenses: ['MIT'] }), 'metadata.component.licenses[0]'],
    ['a missing name', model({ name: undefined }), 'metadata.component.name'],
    ['too many tags', model({ tags: Array(1_001).fill('x') }), 'metadata.component.tags'],
    [
      'two models',
      { ...model(), metadata: {}, components: [model().metadata.component, model().metadata.component] },
      'components',
    ],
    ['no model', { ...model(), metadata: {} }, 'components'],
  ])('is refused for %s', (_, document, field) => {
    expect(() => readModel(document)).toThrow(
      expect.objectContaining({
        code: 'ATTESTATION_MALFORMED',
        message: expect.stringContaining(`its field "${field}"`) as string,
      }),
    )
  })

  test('names the versions that are read', () => {
    expect(() => readModel(model({}, { specVersion: '2.0' }))).toThrow(
      expect.objectContaining({ expected: '"1.6" or "1.7"', found: '"2.0"' }),
    )
  })
})

describe('a data card', () => {
  test('is made from a README.md of Hugging Face', async () => {
    const document = await makePredicate(dataCard, of(DATASET))
    expect(kindOfStatement(statement(document))).toBe(dataCard)
    const card: DataCard = dataCard.read(document as Record<string, unknown>, malformed)
    expect(fieldsOf(dataCard, card)).toEqual({
      name: ['vad'],
      version: [],
      licence: ['cc-by-4.0', 'house rules'],
      author: [],
      supplier: [],
      tag: [],
      language: ['de'],
      task: ['text-classification'],
      size: ['1K<n<10K'],
      'source-dataset': ['squad'],
      classification: [],
      'sensitive-data': [],
      url: [],
    })
  })

  test('is not the card of a model with a dataset', () => {
    const components = [{ type: 'data', name: 'glue' }]
    expect(kindOfStatement(statement(model({}, { components })))).toBe(modelCard)
    expect(kindOfStatement(statement({ ...model(), metadata: {}, components }))).toBe(dataCard)
  })
})

test('other CycloneDX documents are of no kind', () => {
  const library = { type: 'library', name: 'x' }
  expect(
    kindOfStatement(statement({ bomFormat: 'CycloneDX', specVersion: '1.6', components: [library] })),
  ).toBeUndefined()
})

describe('a card cannot be made from', () => {
  test.each<[what: string, text: string | object, details: object]>([
    ['a text without front matter', '# VAD\n', { message: expect.stringContaining('no front matter') as string }],
    ['an empty file', '', { message: expect.stringContaining('no front matter') as string }],
    [
      'front matter that does not end',
      '---\nlicense: mit\n',
      { message: expect.stringContaining('does not end') as string },
    ],
    ['front matter that is not YAML', '---\ntags: x\nlicense: mit: x\n---\n', { line: 3 }],
    ['a duplicate key', '---\nlicense: mit\nlicense: apache-2.0\n---\n', { line: 3 }],
    ['an alias', '---\na: &x mit\nlicense: *x\n---\n', { line: 3 }],
    ['a tag', '---\nlicense: !!binary bWl0\n---\n', { line: 2 }],
    ['deep front matter', `---\na: ${'['.repeat(100)}${']'.repeat(100)}\n---\n`, { line: 2 }],
    [
      'front matter without fields',
      '---\n- mit\n---\n',
      { message: expect.stringContaining('its content is invalid') as string },
    ],
    [
      'a licence that is not text',
      '---\nlicense: { id: mit }\n---\n',
      { message: expect.stringContaining('"license"') as string },
    ],
    [
      'a metric without a value',
      '---\nmodel-index: [{ results: [{ metrics: [{ type: x }] }] }]\n---\n',
      { message: expect.stringContaining('"model-index[0].results[0].metrics[0].value"') as string },
    ],
    ['unknown fields', model({ licence: 'MIT' }), { message: expect.stringContaining('licence') as string }],
    [
      'a licence that SPDX does not have',
      model({ licenses: [{ license: { id: 'apache' } }] }),
      { message: expect.stringContaining('licenses') as string },
    ],
    ['another version of CycloneDX', model({}, { specVersion: '1.5' }), { expected: '"1.6" or "1.7"' }],
    [
      'a document without a model',
      { ...model(), metadata: {} },
      { message: expect.stringContaining('a model card') as string },
    ],
    [
      'a document from the future',
      model({}, { metadata: { ...model().metadata, timestamp: '2999-01-01T00:00:00Z' } }),
      { found: '"2999-01-01T00:00:00Z"' },
    ],
  ])('%s', async (_, text, details) => {
    await expect(makePredicate(modelCard, of(text))).rejects.toMatchObject({
      code: 'ATTESTATION_INPUT',
      file: 'README.md',
      ...details,
    })
  })

  test('a text that is not UTF-8, and JSON with a duplicate key', async () => {
    await expect(makePredicate(modelCard, { ...of(''), bytes: Buffer.from([0xff, 0xfe]) })).rejects.toMatchObject({
      code: 'ATTESTATION_INPUT',
    })
    await expect(makePredicate(modelCard, of('{"a":1,"a":2}'))).rejects.toMatchObject({ code: 'JSON_DUPLICATE_KEY' })
  })
})
