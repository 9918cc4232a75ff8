import * as s from '../../schema/define.ts'
import {
  CARD_PROPERTIES,
  cardFields,
  cardOf,
  cardText,
  componentFields,
  componentsOf,
  CYCLONEDX_TYPES,
  propertiesOf,
  readCardBy,
  texts,
  type Card,
} from './cyclonedx.ts'
import { defineKind } from './kind.ts'
import { makeCard } from './make-card.ts'
import { modelCard } from './model-card.ts'
import { boundedList } from './values.ts'

/** A data card is a CycloneDX document about a component of the type `data`. */

const componentSchema = s.openObject({
  ...componentFields,
  data: boundedList(
    s.openObject({ classification: cardText.optional(), sensitiveData: boundedList(cardText).optional() }),
  ).optional(),
  externalReferences: boundedList(s.openObject({ type: cardText, url: cardText })).optional(),
})

/** What a data card says about a dataset. */
export interface DataCard extends Card {
  /** Tasks that the dataset is for. */
  tasks: readonly string[]
  /** Categories of size, such as `1K<n<10K`. */
  sizes: readonly string[]
  /** How confidential the data is, in words of its owner. */
  classifications: readonly string[]
  /** Which of the data is sensitive. */
  sensitiveData: readonly string[]
  /** Addresses of its pages. */
  urls: readonly string[]
  /** How to cite it, often in BibTeX. */
  citations: readonly string[]
}

export const dataCard = defineKind<DataCard>({
  name: 'data-card',
  what: 'a data card',
  types: CYCLONEDX_TYPES,
  // The card of a model may have datasets among its components.
  isOne: (predicate) => !modelCard.isOne?.(predicate) && componentsOf(predicate, isDataset).length > 0,
  read(predicate, fault) {
    const parts = readCardBy(componentSchema, predicate, isDataset, fault)
    const { data = [], externalReferences = [] } = parts.component
    return {
      ...cardOf(parts),
      tasks: propertiesOf(parts.component, CARD_PROPERTIES.task),
      sizes: propertiesOf(parts.component, CARD_PROPERTIES.size),
      classifications: texts(data.map(({ classification }) => classification)),
      sensitiveData: texts(data.flatMap((one) => one.sensitiveData ?? [])),
      urls: texts(externalReferences.map(({ type, url }) => (type === 'website' ? url : undefined))),
      citations: propertiesOf(parts.component, CARD_PROPERTIES.citation),
    }
  },
  make: (source) => makeCard(source, 'data'),
  statedAt: ({ timestamp }) => timestamp,
  fields: {
    ...cardFields,
    task: ({ tasks }) => tasks,
    size: ({ sizes }) => sizes,
    'source-dataset': ({ ancestors }) => ancestors,
    classification: ({ classifications }) => classifications,
    'sensitive-data': ({ sensitiveData }) => sensitiveData,
    url: ({ urls }) => urls,
  },
})

function isDataset({ type }: Readonly<Record<string, unknown>>): boolean {
  return type === 'data'
}
