import { CARD_PROPERTIES } from '../cyclonedx.ts'
import type { PredicateFault } from '../kind.ts'
import { defined, MAX_NAME, MAX_TEXT, MAX_URI, unique } from '../values.ts'
import { JsonLdContext, JsonLdNode, type Thing } from './json-ld.ts'
import { licenceOf } from './licence.ts'

/** https://docs.mlcommons.org/croissant/docs/croissant-spec.html, "Namespaces" */
const CROISSANT = /^https?:\/\/mlcommons\.org\/croissant\/1\.[01]\/?$/
const CROISSANT_VERSIONS = '"http://mlcommons.org/croissant/1.0" or "http://mlcommons.org/croissant/1.1"'

/**
 * Makes the CycloneDX component of a data card from what a Croissant document says about its dataset.
 *
 * @throws {@link ModelSealError} as `fault` makes it; `CYCLONEDX_UNAVAILABLE`
 */
export function croissantDataset(document: Readonly<Record<string, unknown>>, fault: PredicateFault): object {
  const dataset = new JsonLdNode(document, new JsonLdContext(document['@context'], fault), fault)
  if (!dataset.isA('sc:Dataset')) throw fault('@type', '"sc:Dataset"', document['@type'])
  checkVersion(dataset, fault)
  const name = dataset.text('sc:name', MAX_NAME)
  if (name === undefined) throw fault('name', 'a text', undefined)
  const licences = dataset.things('sc:license', MAX_URI)
  const authors = named(dataset.things('sc:creator', MAX_NAME))
  const publishers = named(dataset.things('sc:publisher', MAX_NAME))
  const sources = named([...dataset.things('sc:isBasedOn', MAX_URI), ...dataset.things('prov:wasDerivedFrom', MAX_URI)])
  const url = addressOf(dataset, fault)
  const { tags, tasks, sizes } = sorted(named(dataset.things('sc:keywords', MAX_NAME)))
  const sensitiveData = dataset.texts('rai:personalSensitiveInformation', MAX_TEXT)
  return {
    type: 'data',
    name,
    ...defined({
      version: dataset.text('sc:version', MAX_NAME),
      description: dataset.text('sc:description', MAX_TEXT),
      licenses: some(licences.map((licence) => ({ license: licenceOf(licence) }))),
      authors: some(authors.map((author) => ({ name: author }))),
      publisher: publishers.length > 0 ? publishers.join(', ') : undefined,
      tags: some(tags),
      externalReferences: url === undefined ? undefined : [{ type: 'website', url }],
      pedigree:
        sources.length > 0 ? { ancestors: sources.map((source) => ({ type: 'data', name: source })) } : undefined,
      data: [{ type: 'dataset', name, ...defined({ sensitiveData: some(sensitiveData) }) }],
      properties: some([
        ...property(CARD_PROPERTIES.language, named(dataset.things('sc:inLanguage', MAX_NAME))),
        ...property(CARD_PROPERTIES.task, tasks),
        ...property(CARD_PROPERTIES.size, sizes),
        ...property(CARD_PROPERTIES.citation, dataset.texts('cr:citeAs', MAX_TEXT)),
      ]),
    }),
  }
}

/** Later versions may mean something else by the same words. */
function checkVersion(dataset: JsonLdNode, fault: PredicateFault): void {
  const stated = dataset.texts('dct:conformsTo', MAX_URI)
  if (stated.some((one) => CROISSANT.test(one))) return
  throw fault('conformsTo', CROISSANT_VERSIONS, stated[0])
}

function addressOf(dataset: JsonLdNode, fault: PredicateFault): string | undefined {
  const url = dataset.text('sc:url', MAX_URI)
  // White space, which parsing drops, would stay in the card.
  const isAddress = url === undefined || (/^https?:/i.test(url) && !/\s/.test(url) && URL.canParse(url))
  if (!isAddress) throw fault('url', 'an HTTP URL', url)
  return url
}

function named(things: readonly Thing[]): string[] {
  return unique(things.map(({ name, url }) => name ?? url))
}

/** `1K<n<10K` is how Hugging Face writes a size in front matter, and `1K - 10K` in Croissant documents. */
const SIZE = /^(?:size_categories:)?(n<1K|\d+[KMBT]<n<\d+[KMBT]|n>1T)$|^(\d+[KMBT]) - (\d+[KMBT])$/
const TASK = /^task_categories:(.+)$/

/** Croissant has no properties for tasks and sizes; on Hugging Face, they are among the keywords. */
function sorted(keywords: readonly string[]): { tags: string[]; tasks: string[]; sizes: string[] } {
  const sizes: string[] = []
  const tasks: string[] = []
  for (const keyword of keywords) {
    const [, size, least, most] = SIZE.exec(keyword) ?? []
    if (size !== undefined) sizes.push(size)
    else if (least !== undefined) sizes.push(`${least}<n<${most}`)
    const task = TASK.exec(keyword)?.[1]
    if (task !== undefined) tasks.push(task)
  }
  return { tags: [...keywords], tasks, sizes }
}

function property(name: string, values: readonly string[]): { name: string; value: string }[] {
  return values.map((value) => ({ name, value }))
}

function some<Value>(values: readonly Value[]): readonly Value[] | undefined {
  return values.length > 0 ? values : undefined
}
