import { parseStrictJson } from '../../bundle/json.ts'
import { ModelSealError } from '../../errors.ts'
import { isFields } from '../../schema/compounds.ts'
import * as s from '../../schema/define.ts'
import { croissantBounds } from '../../signing/datasets/croissant.ts'
import { cannotMake, checkInputSize, isJson, readAttestationInput } from '../input.ts'
import { croissantDataset } from './croissant/croissant-dataset.ts'
import { CARD_PROPERTIES, CYCLONEDX_VERSIONS } from './cyclonedx.ts'
import { cycloneDxLibrary, validateCycloneDx } from './cyclonedx-library.ts'
import { readFrontMatter } from './front-matter.ts'
import { faultsIn, readBy, type AttestationFile, type PredicateFault } from './kind.ts'
import { defined, boundedList, MAX_TEXT, boundedName, boundedUri } from './values.ts'

/**
 * Makes the CycloneDX document of a card from a `README.md` as on Hugging Face or, for a dataset, from a Croissant document, or takes
 * the document from a file. The document is validated against the published schema.
 *
 * @throws {@link ModelSealError} `ATTESTATION_INPUT`, `CYCLONEDX_UNAVAILABLE`, and `JSON_*` for a CycloneDX or Croissant document
 */
export async function makeCard(source: AttestationFile, type: 'machine-learning-model' | 'data'): Promise<object> {
  const { bytes, file } = source
  checkInputSize(bytes, file)
  const document = isJson(bytes)
    ? fromJson(source, type)
    : documentOf(type === 'data' ? datasetOf(source) : modelOf(source))
  await validateCycloneDx(document, cardFaults(file))
  return document as object
}

/** Numbers in a Croissant document may have any number of digits, because none gets into the card. */
function fromJson({ bytes, file }: AttestationFile, type: 'machine-learning-model' | 'data'): unknown {
  const json = parseStrictJson(bytes, croissantBounds('input file', file))
  if (!isFields(json) || !Object.hasOwn(json, '@context')) return readAttestationInput(bytes, file)
  if (type === 'data') return documentOf(croissantDataset(json, cardFaults(file)))
  throw new ModelSealError(
    'ATTESTATION_INPUT',
    `${cannotMake('the card of a model', file)}: it is JSON-LD, such as a Croissant document.`,
    {
      file,
      expected: 'a README.md with front matter, or a CycloneDX document',
      hint: 'Croissant documents describe datasets: use the type "data-card".',
    },
  )
}

function cardFaults(file: string | undefined): PredicateFault {
  return faultsIn('ATTESTATION_INPUT', cannotMake('a card', file), file)
}

function documentOf(component: object): object {
  return {
    $schema: 'http://cyclonedx.org/schema/bom-1.7.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: CYCLONEDX_VERSIONS[1],
    version: 1,
    metadata: { timestamp: new Date().toISOString(), component },
  }
}

/** Front matter may have one value in place of a list. */
const oneOrMore = boundedList(boundedName).optional()

const commonFields = {
  license: oneOrMore,
  license_name: boundedName.optional(),
  license_link: boundedUri.optional(),
  language: oneOrMore,
  tags: oneOrMore,
}

/** https://huggingface.co/docs/hub/model-cards: the fields with a meaning for this document. */
const modelFields = s.openObject({
  ...commonFields,
  base_model: oneOrMore,
  base_model_relation: boundedName.optional(),
  datasets: oneOrMore,
  pipeline_tag: boundedName.optional(),
  library_name: boundedName.optional(),
  'model-index': boundedList(
    s.openObject({
      results: boundedList(
        s.openObject({
          dataset: s
            .openObject({ name: boundedName.optional(), config: boundedName.optional(), split: boundedName.optional() })
            .optional(),
          metrics: boundedList(s.openObject({ type: boundedName, value: boundedName })),
        }),
      ),
    }),
  ).optional(),
})

/** https://huggingface.co/docs/hub/datasets-cards */
const datasetFields = s.openObject({
  ...commonFields,
  task_categories: oneOrMore,
  size_categories: oneOrMore,
  source_datasets: oneOrMore,
})

const MODEL_LISTS = ['license', 'language', 'tags', 'base_model', 'datasets'] as const
const DATASET_LISTS = ['license', 'language', 'tags', 'task_categories', 'size_categories', 'source_datasets'] as const

function modelOf(source: AttestationFile): object {
  const { fields, text } = readReadme(source, modelFields, MODEL_LISTS)
  const ancestors = fields.base_model?.map((name) => ({ type: 'machine-learning-model', name }))
  const performanceMetrics = fields['model-index']?.flatMap(metricsOf)
  return {
    type: 'machine-learning-model',
    ...commonOf(source.name, fields, text),
    ...(ancestors && { pedigree: { ancestors, ...defined({ notes: fields.base_model_relation }) } }),
    modelCard: {
      modelParameters: defined({
        task: fields.pipeline_tag,
        datasets: fields.datasets?.map((name) => ({ type: 'dataset', name })),
      }),
      ...(performanceMetrics && { quantitativeAnalysis: { performanceMetrics } }),
    },
    ...propertiesFrom([
      [CARD_PROPERTIES.language, fields.language],
      [CARD_PROPERTIES.library, fields.library_name === undefined ? undefined : [fields.library_name]],
    ]),
  }
}

function datasetOf(source: AttestationFile): object {
  const { fields, text } = readReadme(source, datasetFields, DATASET_LISTS)
  // "extended|NAME" names another dataset; words such as "original" do not.
  const sources = fields.source_datasets?.flatMap((name) => (/^extended\|(.+)$/.exec(name) ?? []).slice(1))
  const ancestors = sources?.map((name) => ({ type: 'data', name }))
  return {
    type: 'data',
    ...commonOf(source.name, fields, text),
    ...(ancestors && ancestors.length > 0 && { pedigree: { ancestors } }),
    data: [{ type: 'dataset', name: source.name }],
    ...propertiesFrom([
      [CARD_PROPERTIES.language, fields.language],
      [CARD_PROPERTIES.task, fields.task_categories],
      [CARD_PROPERTIES.size, fields.size_categories],
    ]),
  }
}

function readReadme<Fields>(
  { bytes, file }: AttestationFile,
  schema: s.Schema<Fields>,
  lists: readonly string[],
): { fields: Fields; text: string } {
  const { fields, text } = readFrontMatter(bytes, file)
  const fault = cardFaults(file)
  if (text.length > MAX_TEXT) throw fault('', `a text of at most ${MAX_TEXT} characters`, `${text.length} characters`)
  const listed = isFields(fields) ? { ...fields } : fields
  if (isFields(listed))
    for (const name of lists) if (typeof listed[name] === 'string') Object.assign(listed, { [name]: [listed[name]] })
  return { fields: readBy(schema, listed, fault), text }
}

type CommonFields = s.ObjectOf<typeof commonFields>

function commonOf(
  name: string,
  { license = [], license_name, license_link, tags }: CommonFields,
  text: string,
): object {
  const { SPDX } = cycloneDxLibrary()
  // On Hugging Face, ids of SPDX are in lower case.
  const licenceOf = (given: string) => {
    const id = SPDX.fixupSpdxId(given)
    if (id !== undefined) return { id }
    return { name: given === 'other' ? (license_name ?? given) : given, ...defined({ url: license_link }) }
  }
  return {
    name,
    ...(text !== '' && { description: text }),
    ...(license.length > 0 && { licenses: license.map((given) => ({ license: licenceOf(given) })) }),
    ...defined({ tags }),
  }
}

type ModelIndex = NonNullable<s.Infer<typeof modelFields>['model-index']>[number]

/** CycloneDX has no field for the dataset of a metric, so the slice contains its name. */
function metricsOf({ results }: ModelIndex): object[] {
  return results.flatMap(({ dataset: { name, config, split } = {}, metrics }) => {
    const parts = [config, split].filter((part) => part !== undefined)
    const slice = `${name ?? ''}${parts.length > 0 ? ` (${parts.join(', ')})` : ''}`.trim()
    return metrics.map(({ type, value }) => ({ type, value, ...(slice !== '' && { slice }) }))
  })
}

function propertiesFrom(given: readonly (readonly [name: string, values: readonly string[] | undefined])[]): object {
  const properties = given.flatMap(([name, values = []]) => values.map((value) => ({ name, value })))
  return properties.length > 0 ? { properties } : {}
}
