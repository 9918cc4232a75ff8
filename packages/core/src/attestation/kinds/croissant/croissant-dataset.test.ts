import { describe, expect, test } from 'vitest'
import { refusal } from '../../../testing/scratch.ts'
import { dataCard } from '../data-card.ts'
import { faultsIn } from '../kind.ts'
import { makePredicate } from '../kinds.ts'
import { modelCard } from '../model-card.ts'

const CONTEXT = {
  '@language': 'en',
  '@vocab': 'https://schema.org/',
  sc: 'https://schema.org/',
  cr: 'http://mlcommons.org/croissant/',
  rai: 'http://mlcommons.org/croissant/RAI/',
  dct: 'http://purl.org/dc/terms/',
  citeAs: 'cr:citeAs',
  conformsTo: 'dct:conformsTo',
  data: { '@id': 'cr:data', '@type': '@json' },
}

const CONTROL_FREE = 'a text without control characters'
const CROISSANT = 'http://mlcommons.org/croissant/1.1'
const VERSIONS = '"http://mlcommons.org/croissant/1.0" or "http://mlcommons.org/croissant/1.1"'

const DOCUMENT = {
  '@context': CONTEXT,
  '@type': 'sc:Dataset',
  name: 'voices',
  conformsTo: CROISSANT,
}

const FULL = {
  ...DOCUMENT,
  description: 'Calls, *transcribed*.',
  version: '1.10.0',
  license: 'https://creativecommons.org/licenses/by/4.0/',
  url: 'https://data.example/voices',
  citeAs: '@misc{voices, title={Voices}}',
  creator: [
    { '@type': 'sc:Person', name: 'Ada' },
    { '@type': 'sc:Organization', name: 'Lab', url: 'https://lab.example' },
  ],
  publisher: [{ '@type': 'Organization', name: 'Archive' }, 'Library'],
  keywords: ['speech', 'task_categories:automatic-speech-recognition', '10K - 100K', 'size_categories:1K<n<10K'],
  inLanguage: ['de', { '@type': 'Language', name: 'Danish' }],
  isBasedOn: { '@id': 'https://data.example/calls' },
  'prov:wasDerivedFrom': [{ '@id': 'https://data.example/old', 'prov:label': 'old calls' }],
  'rai:personalSensitiveInformation': ['Gender', 'Language'],
  datePublished: '2026-01-01',
  distribution: [{ '@type': 'cr:FileObject', '@id': 'a', name: 'a', contentUrl: 'a.csv', sha256: 'a'.repeat(64) }],
  recordSet: [{ '@type': 'cr:RecordSet', data: [{ x: 0.12345678901234567 }] }],
}

const bytesOf = (document: unknown) => Buffer.from(typeof document === 'string' ? document : JSON.stringify(document))
const make = (document: unknown, kind = dataCard) =>
  makePredicate(kind, { bytes: bytesOf(document), file: 'croissant.json', name: 'directory' })
const fault = faultsIn('ATTESTATION_MALFORMED', 'Cannot read', undefined)
/** The component that is made from a document with other properties. */
const component = async (properties: object = {}, base: object = DOCUMENT) =>
  ((await make({ ...base, ...properties })) as { metadata: { component: object } }).metadata.component
/** The card that is read from what was made from a document with other properties. */
const card = async (properties: object = {}, base: object = DOCUMENT) =>
  dataCard.read((await make({ ...base, ...properties })) as Record<string, unknown>, fault)

describe('a data card from a Croissant document', () => {
  test('has what the document says about the dataset', async () => {
    const read = await card({}, FULL)
    expect(read).toMatchObject({
      name: 'voices',
      version: '1.10.0',
      description: 'Calls, *transcribed*.',
      licences: ['cc-by-4.0'],
      authors: ['Ada', 'Lab'],
      suppliers: ['Archive, Library'],
      tags: FULL.keywords,
      languages: ['de', 'Danish'],
      ancestors: ['https://data.example/calls', 'old calls'],
      tasks: ['automatic-speech-recognition'],
      sizes: ['10K<n<100K', '1K<n<10K'],
      sensitiveData: ['Gender', 'Language'],
      urls: ['https://data.example/voices'],
      citations: ['@misc{voices, title={Voices}}'],
    })
    expect(await component({}, FULL)).toMatchObject({
      properties: [
        { name: 'modelseal:language', value: 'de' },
        { name: 'modelseal:language', value: 'Danish' },
        { name: 'modelseal:task', value: 'automatic-speech-recognition' },
        { name: 'modelseal:size', value: '10K<n<100K' },
        { name: 'modelseal:size', value: '1K<n<10K' },
        { name: 'modelseal:citation', value: FULL.citeAs },
      ],
    })
    expect(
      Object.fromEntries(Object.entries(dataCard.fields).map(([name, values]) => [name, values(read)])),
    ).toMatchObject({
      licence: ['cc-by-4.0'],
      url: ['https://data.example/voices'],
      'source-dataset': ['https://data.example/calls', 'old calls'],
    })
    expect(Math.abs(Date.parse(dataCard.statedAt(read)!) - Date.now())).toBeLessThan(60_000)
  })

  test('has only the name if the document has no more', async () => {
    const read = await card({
      conformsTo: ['http://mlcommons.org/croissant/1.0', 'http://mlcommons.org/croissant/RAI/1.0'],
    })
    expect(read).toMatchObject({ name: 'voices', licences: [], authors: [], tags: [], urls: [], citations: [] })
    expect(read.version).toBeUndefined()
    expect(await component()).toEqual({ type: 'data', name: 'voices', data: [{ type: 'dataset', name: 'voices' }] })
  })

  test('has each licence by its id or, if it has none, by its name and address', async () => {
    const license = [
      'https://spdx.org/licenses/MIT',
      { '@type': 'sc:CreativeWork', name: 'House Rules', url: 'https://licences.example' },
      'ours',
    ]
    expect(await component({ license })).toMatchObject({
      licenses: [
        { license: { id: 'MIT' } },
        { license: { name: 'House Rules', url: 'https://licences.example' } },
        { license: { name: 'ours' } },
      ],
    })
    expect((await card({ license })).licences).toEqual(['mit', 'House Rules', 'ours'])
  })

  test('takes tasks and sizes from the keywords, as Hugging Face writes them', async () => {
    const sizes = ['n<1K', '10K<n<100K', '100M<n<1B', 'n>1T']
    const ranges = [
      ['100K - 999K', '100K<n<999K'],
      ['1M - 10M', '1M<n<10M'],
    ] as const
    const others = ['x2K<n<3K', '4K<n<5Kx', 'x6K - 7K', '8K - 9Kx', '1Q - 2Q']
    const tasks = ['xtask_categories:a', 'task_categories:', 'task_categories:b\nc', 'task_categories:d e']
    const keywords = [...sizes, 'size_categories:1K<n<10K', ...ranges.map(([given]) => given), ...others, ...tasks]
    expect(await card({ keywords })).toMatchObject({
      tags: keywords,
      sizes: [...sizes, '1K<n<10K', ...ranges.map(([, size]) => size)],
      tasks: ['d e'],
    })
  })

  test.each(['http://data.example/', 'HTTPS://data.example/', 'https://data.example/voices?a#b'])(
    'may have the URL %s',
    async (url) => {
      expect((await card({ url })).urls).toEqual([url])
    },
  )

  test.each([
    ['prefixes', { name: undefined, 'sc:name': 'voices', 'cr:citeAs': 'x' }],
    [
      'full names',
      { name: undefined, 'http://schema.org/name': 'voices', 'http://mlcommons.org/croissant/citeAs': 'x' },
    ],
    ['values in objects', { name: { '@value': 'voices', '@language': 'en' }, citeAs: [{ '@value': 'x' }] }],
    [
      'own terms',
      {
        '@context': [CONTEXT, { title: 'sc:name', cite: { '@id': 'cr:citeAs' } }],
        name: undefined,
        title: 'voices',
        cite: 'x',
      },
    ],
    ['a context elsewhere', { '@context': 'http://mlcommons.org/croissant/1.0', citeAs: 'x' }],
    ['the secure address of its version', { conformsTo: 'https://mlcommons.org/croissant/1.0/', citeAs: 'x' }],
    ['a context without terms', { '@context': { '@vocab': 'http://schema.org/' }, '@type': 'Dataset', citeAs: 'x' }],
  ])('is made from a document with %s', async (_, properties) => {
    expect(await card(properties)).toMatchObject({ name: 'voices', citations: ['x'] })
  })

  test('does not take a name in another vocabulary for its own', async () => {
    const read = await card({
      '@context': { ...CONTEXT, url: 'https://other.example/url', keywords: null },
      url: 'x',
      keywords: ['y'],
    })
    expect(read).toMatchObject({ urls: [], tags: [] })
    await expect(make({ ...DOCUMENT, '@context': { '@vocab': 'https://other.example/' } })).rejects.toEqual(
      refusal('ATTESTATION_INPUT', { expected: 'a text', found: 'nothing' }),
    )
  })

  test.each<[what: string, path: string, properties: object, details: object]>([
    ['no version of Croissant', 'conformsTo', { conformsTo: undefined }, { expected: VERSIONS, found: 'nothing' }],
    ...['http://mlcommons.org/croissant/2.0', CROISSANT + '2', CROISSANT + '/x', `https://x/?${CROISSANT}`].map(
      (conformsTo): [string, string, object, object] => [
        `the version ${conformsTo}`,
        'conformsTo',
        { conformsTo },
        { expected: VERSIONS, found: JSON.stringify(conformsTo) },
      ],
    ),
    ['another type', '@type', { '@type': 'sc:CreativeWork' }, { expected: '"sc:Dataset"', found: '"sc:CreativeWork"' }],
    ['no name', 'name', { name: undefined }, { expected: 'a text', found: 'nothing' }],
    ['an empty name', 'name', { name: '' }, { expected: 'a text', found: '""' }],
    ['two names', 'name', { name: ['a', 'b'] }, { expected: 'one value', found: '"2 values"' }],
    ['a name that is given twice', 'name', { 'sc:name': 'other' }, { found: '"name and sc:name"' }],
    ['a long name', 'name', { name: 'x'.repeat(1_001) }, { expected: 'a text of at most 1000 characters' }],
    ['a version that is a number', 'version', { version: 1.1 }, { expected: 'a text', found: '1.1' }],
    ['a description that is an object', 'description', { description: { text: 'x' } }, { expected: 'a text' }],
    ['a creator without a name', 'creator[0]', { creator: [{ '@type': 'sc:Person' }] }, {}],
    ['a creator with two names', 'creator.name', { creator: { name: ['a', 'b'] } }, {}],
    ['a creator that is a number', 'creator', { creator: 7 }, { expected: 'a text', found: '7' }],
    ['a list in a list', 'keywords[0]', { keywords: [['a']] }, { expected: 'a text', found: 'an array' }],
    ['too many keywords', 'keywords', { keywords: Array(1_001).fill('x') }, { expected: 'at most 1000 values' }],
    ...[
      'javascript:x',
      'javascript:https://x',
      'not a url',
      'https:',
      ' https://x',
      'https://x/\n',
      'https://x/ y',
    ].map((url): [string, string, object, object] => [
      `the URL ${JSON.stringify(url)}`,
      'url',
      { url },
      { expected: 'an HTTP URL', found: JSON.stringify(url).replace(String.raw`\n`, String.raw`\u{a}`) },
    ]),
    ['a URL that moves the cursor', 'url', { url: 'https://data.example/\u001b[2J' }, { expected: CONTROL_FREE }],
    ['a name that moves the cursor', 'name', { name: 'voices\u009b2J' }, { expected: CONTROL_FREE }],
    [
      'a licence with a bell',
      'license.url',
      { license: { url: 'https://data.example/\u0007' } },
      { expected: CONTROL_FREE },
    ],
    ['too many types', '@type', { '@type': Array(1_001).fill('sc:Dataset') }, { expected: 'at most 1000 values' }],
    [
      'a long term, of which each name would make a copy',
      '@context',
      { '@context': { ...CONTEXT, p: `https://schema.org/${'x'.repeat(8_192)}` } },
      { expected: 'terms of at most 8192 characters', found: '"8211 characters"' },
    ],
    ['a context elsewhere', '@context', { '@context': 'https://other.example/context' }, {}],
    ['no context', '@context', { '@context': null }, {}],
  ])('is refused for %s', async (_, path, properties, details) => {
    const message = expect.stringContaining(`its field "${path}" is invalid`) as string
    await expect(make({ ...DOCUMENT, ...properties })).rejects.toEqual(
      refusal('ATTESTATION_INPUT', { file: 'croissant.json', message, ...details }),
    )
  })

  test('is refused for JSON that can be read in two ways, or takes too much memory', async () => {
    const text = JSON.stringify(DOCUMENT)
    await expect(make(text.replace('"name"', '"name":"x","name"'))).rejects.toEqual(refusal('JSON_DUPLICATE_KEY'))
    await expect(make(text.slice(0, -1))).rejects.toEqual(refusal('JSON_INVALID'))
    await expect(make({ ...DOCUMENT, deep: JSON.parse('['.repeat(40) + ']'.repeat(40)) as unknown })).rejects.toEqual(
      refusal('JSON_TOO_COMPLEX'),
    )
    await expect(make(text.padEnd(4 * 1024 * 1024 + 1))).rejects.toEqual(refusal('ATTESTATION_INPUT'))
  })

  test('is not the card of a model', async () => {
    await expect(make(DOCUMENT, modelCard as never)).rejects.toEqual(
      refusal('ATTESTATION_INPUT', {
        file: 'croissant.json',
        hint: 'Croissant documents describe datasets: use the type "data-card".',
      }),
    )
  })
})
