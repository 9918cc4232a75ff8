import { isFields } from '../../schema/compounds.ts'
import * as s from '../../schema/define.ts'
import { timeSchema } from '../../schema/time.ts'
import { readBy, type PredicateFault } from './kind.ts'
import { defined, boundedList, MAX_TEXT, unique } from './values.ts'

/** Model cards and data cards are both read from a component of a CycloneDX document (ECMA-424). */

/** The first is written. The others are used by producers that put the version into the type. */
export const CYCLONEDX_TYPES = [
  'https://cyclonedx.org/bom',
  'https://cyclonedx.org/bom/v1.6',
  'https://cyclonedx.org/bom/v1.7',
] as const

/** The versions that are read. The last is written. */
export const CYCLONEDX_VERSIONS = ['1.6', '1.7'] as const

/** Values that CycloneDX has no field for. */
export const CARD_PROPERTIES = {
  language: 'modelseal:language',
  library: 'modelseal:library',
  task: 'modelseal:task',
  size: 'modelseal:size',
  citation: 'modelseal:citation',
} as const

const documentSchema = s.openObject({
  bomFormat: s.literal('CycloneDX'),
  specVersion: s.oneOf(CYCLONEDX_VERSIONS),
  metadata: s.openObject({ timestamp: timeSchema.optional() }).optional(),
})

/** CycloneDX bounds no text, and allows empty ones. */
export const cardText = s.string().max(MAX_TEXT)
const named = s.openObject({ name: cardText.optional() })
const hash = s.openObject({ alg: cardText, content: cardText })

const ancestor = s.openObject({
  group: cardText.optional(),
  name: cardText,
  hashes: boundedList(hash).optional(),
})

/** The fields of a component that are read for any card. */
export const componentFields = {
  name: cardText,
  version: cardText.optional(),
  description: cardText.optional(),
  licenses: boundedList(
    s.openObject({
      license: s.openObject({ id: cardText.optional(), name: cardText.optional() }).optional(),
      expression: cardText.optional(),
    }),
  ).optional(),
  author: cardText.optional(),
  authors: boundedList(named).optional(),
  publisher: cardText.optional(),
  supplier: named.optional(),
  manufacturer: named.optional(),
  tags: boundedList(cardText).optional(),
  properties: boundedList(s.openObject({ name: cardText.optional(), value: cardText.optional() })).optional(),
  pedigree: s.openObject({ ancestors: boundedList(ancestor).optional() }).optional(),
}

type CardComponent = s.ObjectOf<typeof componentFields>

/** What model cards and data cards have in common. */
export interface Card {
  name: string
  version?: string
  /** Text by the author of the card, often Markdown. */
  description?: string
  /** When the card was made: RFC 3339. */
  timestamp?: string
  /** Ids and expressions of SPDX in lower case, such as `apache-2.0`, and names of other licences as they are written. */
  licences: readonly string[]
  authors: readonly string[]
  suppliers: readonly string[]
  tags: readonly string[]
  /** Of the model's or dataset's texts or speech, such as `de`. */
  languages: readonly string[]
  /** What it was made from: names, and SHA-256 digests as `sha256:HEX`. */
  ancestors: readonly string[]
}

/** A component, and the path to it. */
interface Place {
  path: string
  component: Readonly<Record<string, unknown>>
}

/** The types of components that have cards. A document about one of them is the card of nothing else. */
const OF_CARDS: readonly unknown[] = ['machine-learning-model', 'data']

/** The components of a document for which a test is true: the one that the document describes, or else those in its list. */
export function componentsOf(
  { metadata, components }: Readonly<Record<string, unknown>>,
  isMeant: (component: Readonly<Record<string, unknown>>) => boolean,
): Place[] {
  const main = isFields(metadata) ? metadata['component'] : undefined
  if (isFields(main) && OF_CARDS.includes(main['type']))
    return isMeant(main) ? [{ path: 'metadata.component', component: main }] : []
  if (!Array.isArray(components)) return []
  return components.flatMap((component: unknown, index) =>
    isFields(component) && isMeant(component) ? [{ path: `components[${index}]`, component }] : [],
  )
}

/** The document and the component that a card is read from. */
interface CardParts<Component> {
  component: Component
  timestamp: string | undefined
}

/** Reads the only component of a document for which a test is true. */
export function readCardBy<Component extends CardComponent>(
  schema: s.Schema<Component>,
  predicate: Readonly<Record<string, unknown>>,
  isMeant: (component: Readonly<Record<string, unknown>>) => boolean,
  fault: PredicateFault,
): CardParts<Component> {
  const { metadata } = readBy(documentSchema, predicate, fault)
  const [place, ...others] = componentsOf(predicate, isMeant)
  if (!place || others.length > 0)
    throw fault('components', 'one component that the card describes', `${others.length + (place ? 1 : 0)} of them`)
  const { path, component } = place
  const read = readBy(schema, component, (field, expected, found) => fault(`${path}.${field}`, expected, found))
  return { component: read, timestamp: metadata?.timestamp }
}

export function cardOf({ component, timestamp }: CardParts<CardComponent>): Card {
  const { name, version, description, licenses = [], author, authors = [], publisher, supplier } = component
  return {
    name,
    ...defined({ version, description, timestamp }),
    licences: texts(
      licenses.flatMap(({ license, expression }) => {
        const stated = texts([license?.id?.toLowerCase(), license?.name, expression?.toLowerCase()])
        return stated.length > 0 ? stated : [UNNAMED]
      }),
    ),
    authors: texts([...authors.map((one) => one.name), author]),
    suppliers: texts([supplier?.name, component.manufacturer?.name, publisher]),
    tags: texts(component.tags ?? []),
    languages: propertiesOf(component, CARD_PROPERTIES.language),
    ancestors: texts((component.pedigree?.ancestors ?? []).flatMap(namesOf)),
  }
}

/** Stands for what has no name, so that no list looks shorter than it is. */
export const UNNAMED = '(unnamed)'

function namesOf({ group = '', name, hashes = [] }: s.Infer<typeof ancestor>): string[] {
  const digests = hashes.flatMap(({ alg, content }) => (alg === 'SHA-256' ? [`sha256:${content.toLowerCase()}`] : []))
  return [group === '' ? name : `${group}/${name}`, ...digests]
}

/** The values of all properties of a component that have a name. */
export function propertiesOf({ properties = [] }: CardComponent, name: string): string[] {
  return texts(properties.filter((property) => property.name === name).map(({ value }) => value))
}

/** The texts that are there and not empty, each once. */
export function texts(values: readonly (string | undefined)[]): string[] {
  return unique(values).filter((value) => value !== '')
}

/** The fields of both cards that a policy may name. */
export const cardFields = {
  name: ({ name }: Card) => [name],
  version: ({ version }: Card) => unique([version]),
  licence: ({ licences }: Card) => licences,
  author: ({ authors }: Card) => authors,
  supplier: ({ suppliers }: Card) => suppliers,
  tag: ({ tags }: Card) => tags,
  language: ({ languages }: Card) => languages,
}
