import { isFields } from '../../schema/compounds.ts'
import * as s from '../../schema/define.ts'
import { decimalOf, decimalOfNumber, isSameDecimal } from '../decimal.ts'
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
  UNNAMED,
  type Card,
} from './cyclonedx.ts'
import { defineKind, type Measurement } from './kind.ts'
import { makeCard } from './make-card.ts'
import { defined, boundedList, unique } from './values.ts'

/** A model card is a CycloneDX ML-BOM: a component of the type `machine-learning-model` with a `modelCard`. */

const componentSchema = s.openObject({
  ...componentFields,
  modelCard: s.openObject({
    modelParameters: s
      .openObject({
        task: cardText.optional(),
        architectureFamily: cardText.optional(),
        modelArchitecture: cardText.optional(),
        datasets: boundedList(s.openObject({ name: cardText.optional(), ref: cardText.optional() })).optional(),
      })
      .optional(),
    quantitativeAnalysis: s
      .openObject({
        performanceMetrics: boundedList(
          s.openObject({ type: cardText.optional(), value: cardText.optional(), slice: cardText.optional() }),
        ).optional(),
      })
      .optional(),
    considerations: s
      .openObject({
        useCases: boundedList(cardText).optional(),
        technicalLimitations: boundedList(cardText).optional(),
      })
      .optional(),
  }),
})

/** What a model card says. */
export interface ModelCard extends Card {
  task?: string
  /** Such as `transformer`. */
  architectureFamily?: string
  architecture?: string
  /** Names of the datasets that it was trained with. */
  datasets: readonly string[]
  /** Such as `transformers`. */
  library?: string
  useCases: readonly string[]
  limitations: readonly string[]
  /** As they are written. Only values that are decimal numbers can be compared. */
  metrics: readonly { metric: string; value: string; slice?: string }[]
}

export const modelCard = defineKind<ModelCard>({
  name: 'model-card',
  what: 'a model card',
  types: CYCLONEDX_TYPES,
  isOne: (predicate) => componentsOf(predicate, isModel).length > 0,
  read(predicate, fault) {
    const parts = readCardBy(componentSchema, predicate, isModel, fault)
    const { modelParameters = {}, quantitativeAnalysis = {}, considerations = {} } = parts.component.modelCard
    const { task, architectureFamily, modelArchitecture: architecture, datasets = [] } = modelParameters
    const [library] = propertiesOf(parts.component, CARD_PROPERTIES.library)
    const referenced = namesByReference(predicate)
    return {
      ...cardOf(parts),
      ...defined({ task, architectureFamily, architecture, library }),
      datasets: texts(datasets.map(({ name, ref = UNNAMED }) => name ?? referenced.get(ref) ?? ref)),
      useCases: texts(considerations.useCases ?? []),
      limitations: texts(considerations.technicalLimitations ?? []),
      metrics: (quantitativeAnalysis.performanceMetrics ?? []).map(({ type = '', value = '', slice }) => ({
        metric: type,
        value,
        ...defined({ slice }),
      })),
    }
  },
  make: (source) => makeCard(source, 'machine-learning-model'),
  statedAt: ({ timestamp }) => timestamp,
  fields: {
    ...cardFields,
    task: ({ task }) => unique([task]),
    architecture: ({ architecture }) => unique([architecture]),
    'architecture-family': ({ architectureFamily }) => unique([architectureFamily]),
    dataset: ({ datasets }) => datasets,
    'base-model': ({ ancestors }) => ancestors,
    library: ({ library }) => unique([library]),
    metric: ({ metrics }) => unique(metrics.map(({ metric }) => metric)),
  },
  measurements: ({ metrics }) => metrics.map(measurementOf),
})

function isModel({ type, modelCard: card }: Readonly<Record<string, unknown>>): boolean {
  return type === 'machine-learning-model' && isFields(card)
}

/** CycloneDX writes values as text. Text that is not a decimal number, or that a number cannot hold exactly, stays text and meets no numeric condition. */
function measurementOf({ metric, value, slice }: ModelCard['metrics'][number]): Measurement {
  const [written, number] = [decimalOf(value), Number(value)]
  const held = written && decimalOfNumber(number)
  return { metric, value: held && isSameDecimal(written, held) ? number : value, ...defined({ slice }) }
}

/** The names of components. A model card may refer to a dataset that is another component of the document. */
function namesByReference({ components }: Readonly<Record<string, unknown>>): Map<string, string> {
  const names = new Map<string, string>()
  if (!Array.isArray(components)) return names
  for (const component of components as unknown[]) {
    if (!isFields(component)) continue
    const { 'bom-ref': reference, name } = component
    if (typeof reference === 'string' && typeof name === 'string') names.set(reference, name)
  }
  return names
}
