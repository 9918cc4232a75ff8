import { parseStrictJson } from '../../../../packages/core/src/bundle/json.ts'
import { dataCard } from '../../../../packages/core/src/attestation/kinds/data-card.ts'
import { faultsIn } from '../../../../packages/core/src/attestation/kinds/kind.ts'
import { makePredicate } from '../../../../packages/core/src/attestation/kinds/kinds.ts'
import { isFields } from '../../../../packages/core/src/schema/compounds.ts'
import { parsedWithoutPrototypes } from '../../../../packages/core/src/snapshot.ts'
import { croissantBounds } from '../../../../packages/core/src/signing/datasets/croissant.ts'
import { activeContext, expanded, Unsupported } from '../../json-ld-names.ts'
import { mustEqual, readOrRefused, readOrRefusedWith, REFUSED, texts, type Refused, type Target } from '../../target.ts'

const CONTEXT = {
  '@vocab': 'https://schema.org/',
  sc: 'https://schema.org/',
  cr: 'http://mlcommons.org/croissant/',
  citeAs: 'cr:citeAs',
  data: { '@id': 'cr:data', '@type': '@json' },
}
const DOCUMENT = {
  '@context': CONTEXT,
  '@type': 'sc:Dataset',
  name: 'voices',
  conformsTo: 'http://mlcommons.org/croissant/1.1',
}
const FULL = {
  ...DOCUMENT,
  description: 'Calls, *transcribed*.',
  version: '1.10.0',
  license: ['https://creativecommons.org/licenses/by/4.0/', { name: 'ours', url: 'https://licences.example' }],
  url: 'https://data.example/voices',
  citeAs: '@misc{voices}',
  creator: [
    { '@type': 'sc:Person', name: 'Ada' },
    { name: 'Lab', url: 'https://lab.example' },
  ],
  publisher: [{ name: 'Archive' }, 'Library'],
  keywords: ['speech', 'task_categories:automatic-speech-recognition', '10K - 100K', 'size_categories:1K<n<10K'],
  inLanguage: ['de', { '@type': 'Language', name: 'Danish' }],
  isBasedOn: { '@id': 'https://data.example/calls' },
  'prov:wasDerivedFrom': [{ '@id': 'https://data.example/old', 'prov:label': 'old calls' }],
  'rai:personalSensitiveInformation': ['Gender', { '@value': 'Language', '@language': 'en' }],
  recordSet: [{ '@type': 'cr:RecordSet', data: [{ x: 0.12345678901234567 }] }],
}

const OTHERS: readonly object[] = [
  { '@context': 'http://mlcommons.org/croissant/1.0', citeAs: 'x' },
  { '@context': [CONTEXT, { title: 'sc:name', name: null }], title: 'voices' },
  { '@context': [{ p: 'https://schema.org/', t: 'p:name', name: null }, { p: 'https://other.example/' }], t: 'voices' },
  { '@context': { ...CONTEXT, url: 'https://other.example/url' }, url: 'x', 'sc:url': 'https://data.example' },
  { name: { '@value': 'voices' }, url: 'javascript:x' },
  { 'sc:name': 'other' },
  { name: 'voices\u009b2J' },
  { license: { url: 'https://data.example/ x' } },
]

const target: Target = {
  longest: 8192,
  dictionary: [
    ...[
      '"@value":',
      '"@id":',
      '"@type":',
      '"@vocab":',
      '"@reverse":',
      '"@context":',
      '"sc:',
      '"cr:',
      '"rai:',
      '"prov:',
    ],
    ...[
      '"http://schema.org/',
      'https://spdx.org/licenses/MIT',
      '"\\u0007"',
      '\\ud800',
      '[null]',
      '{}',
      '1e999',
      '[[]]',
    ],
    ...Object.keys(FULL).map((name) => `,"${name}":`),
  ],
  async seeds() {
    const all = texts(
      ...[FULL, ...OTHERS.map((other) => ({ ...DOCUMENT, ...other }))].map((one) => JSON.stringify(one)),
    )
    // The validator compiles the schema when it is first needed.
    await componentOf(JSON.stringify(DOCUMENT))
    return all
  },
  async check(input) {
    const json = readOrRefused(() => parseStrictJson(input, croissantBounds('input file', 'croissant.json')))
    if (json !== REFUSED && !(isFields(json) && Object.hasOwn(json, '@context'))) return
    const made = await componentOf(input)
    if (json === REFUSED) {
      if ('refused' in made) return
      throw new Error('It is no JSON.')
    }
    const again = await componentOf(reordered(json))
    if ('refused' in made) {
      mustEqual('refused' in again, true, 'Whether it is refused in another order')
      return
    }
    mustEqual(again, made, 'The card of the same properties in another order')
    checkMeaning(json, made.value)
  },
}
export default target

type Fields = Readonly<Record<string, unknown>>

interface Component {
  name: string
  version?: string
  description?: string
  authors?: { name: string }[]
  publisher?: string
  tags?: string[]
  externalReferences?: { url: string }[]
  pedigree?: { ancestors: { name: string }[] }
  licenses?: object[]
  data: { sensitiveData?: string[] }[]
  properties?: { name: string; value: string }[]
}

/** What is made of a document, which must be what the reader of cards reads. */
async function componentOf(document: string | Uint8Array): Promise<{ value: Component } | { refused: Refused }> {
  const source = { bytes: Buffer.from(document as Uint8Array), file: 'croissant.json', name: 'directory' }
  return readOrRefusedWith(/^(?:ATTESTATION_INPUT|JSON_[A-Z0-9_]+)$/, async () => {
    const predicate = (await makePredicate(dataCard, source)) as { metadata: { component: Component } }
    const { component } = predicate.metadata
    const card = dataCard.read(predicate, fault)
    const written = parsedWithoutPrototypes(JSON.parse(JSON.stringify(predicate)) as typeof predicate)
    mustEqual(written, predicate, 'The predicate that is written and read')
    mustEqual(dataCard.read(written, fault), card, 'The card that is written and read')
    mustEqual(
      [card.name, card.version, card.description],
      [component.name, component.version, component.description],
      'The card',
    )
    mustEqual(card.authors, unique(component.authors?.map(({ name }) => name)), 'The authors in the card')
    mustEqual(card.ancestors, unique(component.pedigree?.ancestors.map(({ name }) => name)), 'The sources in the card')
    return component
  })
}

const fault = faultsIn('ATTESTATION_MALFORMED', 'Cannot read', undefined)

/** Compares a component with the values of the properties by their whole names. */
function checkMeaning(document: Fields, component: Component): void {
  const valuesIn = (node: Fields, property: string) => {
    const active = activeContext([document['@context']].flat())
    const names = Object.keys(node).filter((name) => secure(expanded(name, active)) === property)
    if (names.length > 1) throw new Error(`${names.join(' and ')} mean the same.`)
    return names.flatMap((name) => node[name]).filter((value) => value !== null && value !== undefined)
  }
  const literal = (value: unknown) => (isFields(value) ? (value['@value'] ?? value['@id']) : value)
  const textsOf = (property: string, node = document) => valuesIn(node, property).map(literal)
  const nameOf = (value: unknown) => {
    if (!isFields(value) || Object.hasOwn(value, '@value')) return literal(value)
    const [name = textsOf(`${PROV}label`, value)[0]] = textsOf(`${SCHEMA}name`, value)
    return name ?? textsOf(`${SCHEMA}url`, value)[0] ?? value['@id']
  }
  const namesOf = (property: string) => unique(valuesIn(document, property).map(nameOf))
  const propertiesOf = (name: string) =>
    (component.properties ?? []).filter((one) => one.name === name).map(({ value }) => value)
  try {
    const stated = ['name', 'version', 'description', 'url'].map((property) => textsOf(SCHEMA + property))
    const { name, version, description, externalReferences } = component
    const found = [name, version, description, externalReferences?.[0]?.url].map((text) =>
      text === undefined ? [] : [text],
    )
    mustEqual(found, stated, 'Name, version, description and address')
    mustEqual(unique(component.authors?.map((author) => author.name)), namesOf(`${SCHEMA}creator`), 'The authors')
    mustEqual(component.publisher ?? '', namesOf(`${SCHEMA}publisher`).join(', '), 'The publishers')
    mustEqual(component.tags ?? [], namesOf(`${SCHEMA}keywords`), 'The tags')
    mustEqual(component.licenses?.length ?? 0, valuesIn(document, `${SCHEMA}license`).length, 'The number of licences')
    mustEqual(propertiesOf('modelseal:language'), namesOf(`${SCHEMA}inLanguage`), 'The languages')
    mustEqual(propertiesOf('modelseal:citation'), textsOf(`${CROISSANT}citeAs`), 'The citations')
    mustEqual(
      component.data[0]?.sensitiveData ?? [],
      textsOf(`${CROISSANT}RAI/personalSensitiveInformation`),
      'What is sensitive',
    )
    const sources = unique([...namesOf(`${SCHEMA}isBasedOn`), ...namesOf(`${PROV}wasDerivedFrom`)])
    mustEqual(
      (component.pedigree?.ancestors ?? []).map((one) => one.name),
      sources,
      'The sources',
    )
  } catch (error) {
    if (!(error instanceof Unsupported)) throw error
  }
}

const SCHEMA = 'https://schema.org/'
const CROISSANT = 'http://mlcommons.org/croissant/'
const PROV = 'http://www.w3.org/ns/prov#'

function secure(iri: string | null): string | undefined {
  return iri?.replace(/^http:\/\/schema\.org\//, SCHEMA)
}

function unique<Value>(values: readonly Value[] = []): Value[] {
  return [...new Set(values)]
}

/** The same JSON, with white space, and with the properties of each object in the other order. */
function reordered(json: unknown): string {
  if (Array.isArray(json)) return `[ ${json.map(reordered).join(' ,\n')}\t]`
  // A number that is too large is written as it could be read.
  if (typeof json === 'number') return Number.isFinite(json) ? JSON.stringify(json) : json < 0 ? '-1e999' : '1e999'
  if (!isFields(json)) return JSON.stringify(json)
  const members = Object.entries(json).map(([name, value]) => `${JSON.stringify(name)} :\r\n${reordered(value)}`)
  return `{ ${members.toReversed().join(' ,\n')} }`
}
