import { describe, expect, test } from 'vitest'
import { refusal } from '../../testing/scratch.ts'
import { componentsOf, propertiesOf, texts } from './cyclonedx.ts'
import { dataCard, type DataCard } from './data-card.ts'
import { faultsIn } from './kind.ts'
import { modelCard, type ModelCard } from './model-card.ts'

const fault = faultsIn('ATTESTATION_MALFORMED', 'Cannot read', 'f')
const SHA = 'A'.repeat(64)

const document = (component: object, root: object = {}) =>
  ({ bomFormat: 'CycloneDX', specVersion: '1.7', metadata: { component }, ...root }) as Record<string, unknown>
const model = (more: object = {}) => ({ type: 'machine-learning-model', name: 'vad', modelCard: {}, ...more })
const read = (component: object, root?: object): ModelCard => modelCard.read(document(model(component), root), fault)
const readData = (component: object): DataCard =>
  dataCard.read(document({ type: 'data', name: 'voices', ...component }), fault)
const isModel = ({ type }: Readonly<Record<string, unknown>>) => type === 'machine-learning-model'

describe('the component that a card is about', () => {
  test('is the one that the document describes, if that may have a card', () => {
    const main = model()
    const other = [{ type: 'machine-learning-model', name: 'other' }]
    expect(componentsOf(document(main, { components: other }), isModel)).toEqual([
      { path: 'metadata.component', component: main },
    ])
    expect(componentsOf(document({ type: 'data' }, { components: other }), isModel)).toEqual([])
  })

  test('is in the list otherwise, with its place there', () => {
    const [first, second] = [model({ name: 'a' }), model({ name: 'b' })]
    const components = [{ type: 'library' }, first, null, 'x', second]
    const expected = [
      { path: 'components[1]', component: first },
      { path: 'components[4]', component: second },
    ]
    expect(componentsOf(document({ type: 'application' }, { components }), isModel)).toEqual(expected)
    expect(componentsOf({ components }, isModel)).toEqual(expected)
    expect(componentsOf({ metadata: { component: 'x' }, components }, isModel)).toEqual(expected)
    expect(componentsOf({ metadata: 'x', components: {} }, isModel)).toEqual([])
  })

  test('may be in a document that says nothing about itself', () => {
    const { bomFormat, specVersion } = document(model())
    expect(modelCard.read({ bomFormat, specVersion, components: [model()] }, fault)).toMatchObject({ name: 'vad' })
  })

  test('is the only one', () => {
    const both = document({ type: 'application' }, { components: [model(), model()] })
    const none = document({ type: 'application' }, { components: [] })
    for (const [given, found] of [
      [both, '"2 of them"'],
      [none, '"0 of them"'],
    ] as const)
      expect(() => modelCard.read(given, fault)).toThrow(
        refusal('ATTESTATION_MALFORMED', { file: 'f', expected: 'one component that the card describes', found }),
      )
  })

  test('is read strictly, with its place in the refusal', () => {
    const at = (path: string) => refusal('ATTESTATION_MALFORMED', { message: expect.stringContaining(path) as string })
    expect(() => read({ version: 1 })).toThrow(at('"metadata.component.version"'))
    const listed = document({ type: 'application' }, { components: [{}, model({ tags: [1] })] })
    expect(() => modelCard.read(listed, fault)).toThrow(at('"components[1].tags[0]"'))
    expect(() => read({}, { specVersion: '1.5' })).toThrow(at('"specVersion"'))
    expect(() => read({}, { bomFormat: 'SPDX' })).toThrow(at('"bomFormat"'))
    expect(() =>
      modelCard.read({ ...document(model()), metadata: { component: model(), timestamp: 'x' } }, fault),
    ).toThrow(at('"metadata.timestamp"'))
  })

  test('has a model card, or is data', () => {
    expect(modelCard.isOne?.(document(model()))).toBe(true)
    expect(modelCard.isOne?.(document(model({ modelCard: null })))).toBe(false)
    expect(modelCard.isOne?.(document({ ...model(), type: 'data' }))).toBe(false)
    expect(dataCard.isOne?.(document({ type: 'data' }))).toBe(true)
    expect(dataCard.isOne?.(document(model()))).toBe(false)
    const components = [{ type: 'data' }]
    expect(dataCard.isOne?.(document({ type: 'application' }, { components }))).toBe(true)
    expect(dataCard.isOne?.(document({ type: 'application' }, { components: [model(), ...components] }))).toBe(false)
  })
})

describe('a card', () => {
  test('has nothing that is not there', () => {
    expect(read({})).toEqual({
      name: 'vad',
      licences: [],
      authors: [],
      suppliers: [],
      tags: [],
      languages: [],
      ancestors: [],
      datasets: [],
      useCases: [],
      limitations: [],
      metrics: [],
    })
    expect(readData({})).toMatchObject({ tasks: [], sizes: [], classifications: [], sensitiveData: [] })
  })

  test('names licences as SPDX does, in lower case, but others as they are written', () => {
    const licenses = [
      { license: { id: 'Apache-2.0' } },
      { license: { name: 'House Rules' } },
      { expression: 'MIT OR GPL-2.0' },
      { license: {} },
      { license: { id: '' } },
      { license: { id: 'MIT', name: 'X' } },
    ]
    expect(read({ licenses }).licences).toEqual([
      'apache-2.0',
      'House Rules',
      'mit or gpl-2.0',
      '(unnamed)',
      'mit',
      'X',
    ])
  })

  test('names its authors and suppliers, each once', () => {
    const card = read({
      authors: [{ name: 'A' }, {}, { name: '' }],
      author: 'B',
      publisher: 'P',
      supplier: { name: 'S' },
      manufacturer: { name: 'S' },
      tags: ['t', 't', ''],
      version: '1',
      description: 'd',
    })
    expect(card).toMatchObject({
      authors: ['A', 'B'],
      suppliers: ['S', 'P'],
      tags: ['t'],
      version: '1',
      description: 'd',
    })
  })

  test('names what it was made from, with digests', () => {
    const ancestors = [
      {
        group: 'org',
        name: 'base',
        hashes: [
          { alg: 'SHA-256', content: SHA },
          { alg: 'MD5', content: 'x' },
        ],
      },
      { name: 'other', group: '' },
    ]
    expect(read({ pedigree: { ancestors } }).ancestors).toEqual(['org/base', `sha256:${SHA.toLowerCase()}`, 'other'])
    expect(read({ pedigree: {} }).ancestors).toEqual([])
  })

  test('has the properties that CycloneDX has no fields for', () => {
    const properties = [
      { name: 'modelseal:language', value: 'de' },
      { name: 'modelseal:language', value: 'no' },
      { name: 'modelseal:language' },
      { name: 'other', value: 'x' },
      { value: 'y' },
      { name: 'modelseal:library', value: 'transformers' },
      { name: 'modelseal:task', value: 'asr' },
      { name: 'modelseal:size', value: '1K' },
    ]
    expect(read({ properties })).toMatchObject({ languages: ['de', 'no'], library: 'transformers' })
    expect(readData({ properties })).toMatchObject({ languages: ['de', 'no'], tasks: ['asr'], sizes: ['1K'] })
    expect(propertiesOf({ name: 'x' }, 'other')).toEqual([])
    expect(texts(['a', undefined, '', 'a', 'b'])).toEqual(['a', 'b'])
  })

  test('of a dataset has the addresses of its pages, and of nothing else', () => {
    const externalReferences = [
      { type: 'website', url: 'https://a.example' },
      { type: 'vcs', url: 'https://b.example' },
      { type: 'website', url: '' },
    ]
    const card = readData({ externalReferences })
    expect(card.urls).toEqual(['https://a.example'])
    expect(dataCard.fields['url']?.(card)).toEqual(['https://a.example'])
    expect(() => readData({ externalReferences: [{ type: 'website' }] })).toThrow(
      refusal('ATTESTATION_MALFORMED', { message: expect.stringContaining('externalReferences[0].url') as string }),
    )
  })

  test('of a dataset says how confidential it is', () => {
    const data = [{ classification: 'public' }, { sensitiveData: ['names', 'voices'] }, { classification: 'public' }]
    const card = readData({ data })
    expect(card).toMatchObject({ classifications: ['public'], sensitiveData: ['names', 'voices'] })
    expect(dataCard.fields['classification']?.(card)).toEqual(['public'])
    expect(dataCard.fields['sensitive-data']?.(card)).toEqual(['names', 'voices'])
  })
})

describe('a model card', () => {
  test('names its datasets, or the components that it refers to', () => {
    const datasets = [{ name: 'a' }, { ref: 'r' }, { ref: 'lost' }, {}, { name: 'a' }]
    const components = [{ 'bom-ref': 'r', name: 'b' }, null, { 'bom-ref': 'lost', name: 1 }, { name: 'c' }]
    const modelParameters = { task: 'asr', architectureFamily: 'transformer', modelArchitecture: 'x', datasets }
    const card = read({ modelCard: { modelParameters } }, { components })
    expect(card).toMatchObject({
      task: 'asr',
      architectureFamily: 'transformer',
      architecture: 'x',
      datasets: ['a', 'b', 'lost', '(unnamed)'],
    })
    const values = (name: string) => modelCard.fields[name]?.(card)
    expect(['task', 'architecture', 'architecture-family', 'dataset', 'version'].map(values)).toEqual([
      ['asr'],
      ['x'],
      ['transformer'],
      ['a', 'b', 'lost', '(unnamed)'],
      [],
    ])
    expect(read({ modelCard: { modelParameters } }).datasets).toEqual(['a', 'r', 'lost', '(unnamed)'])
  })

  test('says what it is for', () => {
    const considerations = { useCases: ['u', ''], technicalLimitations: ['l'] }
    expect(read({ modelCard: { considerations } })).toMatchObject({ useCases: ['u'], limitations: ['l'] })
  })

  test.each<[string | undefined, number | string]>([
    ['0.94', 0.94],
    ['0.9400', 0.94],
    ['1e3', 1_000],
    ['92%', '92%'],
    ['0.1000000000000000055511151231257827', '0.1000000000000000055511151231257827'],
    ['Infinity', 'Infinity'],
    [' 1', ' 1'],
    ['0x10', '0x10'],
    ['', ''],
    [undefined, ''],
  ])('has the metric %j as %j', (value, read_) => {
    const performanceMetrics = [{ type: 'f1', value, slice: 'de' }, {}]
    const card = read({ modelCard: { quantitativeAnalysis: { performanceMetrics } } })
    expect(modelCard.measurements?.(card)).toEqual([
      { metric: 'f1', value: read_, slice: 'de' },
      { metric: '', value: '' },
    ])
    expect(modelCard.fields['metric']?.(card)).toEqual(['f1', ''])
  })
})
