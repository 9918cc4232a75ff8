import type { AttestedContents, WeighedAttestation } from '@modelseal/core/attestation'
import type { Facts, Table } from '../pages/content.ts'
import type { Extent, Section, Show } from './report.ts'

/** What a statement says, and the same in a few words. */
export interface StatementContent extends Pick<Section, 'facts' | 'tables' | 'texts'> {
  gist: string
}

const LEFT_OUT = 'left out, because there is too much in the attestations before this one'

type Kind = keyof AttestedContents
type Describe<Content> = (content: Content, extent: Extent) => Partial<StatementContent>

/** The content of an attestation that could be read. */
export function statementContent({ kind, content }: WeighedAttestation, extent: Extent): StatementContent {
  const none: StatementContent = { gist: '', facts: [], tables: [], texts: [] }
  if (content === undefined) return { ...none, facts: [['content', LEFT_OUT]] }
  const describe = kind !== undefined && Object.hasOwn(CONTENTS, kind) ? CONTENTS[kind as Kind] : undefined
  if (describe) return { ...none, ...(describe as Describe<unknown>)(content, extent) }
  return { ...none, texts: [jsonText('content', content, extent)] }
}

const CONTENTS: { [K in Kind]: Describe<AttestedContents[K]> } = {
  evaluation({ result, evaluator, url, failedTests, warnedTests, results }, extent) {
    const { show } = extent
    const rows = results.map(({ metric, value, unit, dataset, slice, comparator, threshold, sampleSize }) => [
      show(metric),
      unit === undefined ? String(value) : `${value} ${show(unit)}`,
      namedBy(dataset?.name, dataset?.digest?.sha256, show),
      slice === undefined ? '' : show(slice),
      comparator === undefined ? '' : `${comparator} ${threshold}`,
      sampleSize === undefined ? '' : String(sampleSize),
    ])
    const [first] = results
    const more = results.length > 1 ? `, and ${results.length - 1} more` : ''
    return {
      gist: first ? `${result}: ${show(first.metric)} ${first.value}${more}` : result,
      facts: [
        ['result', result],
        ...text('evaluator', evaluator, show),
        ...(url === undefined ? [] : [['page', { address: url }] as const]),
        ...list('failed tests', failedTests, show),
        ...list('warned tests', warnedTests, show),
      ],
      tables: tableOf('Measurements', ['Metric', 'Value', 'Dataset', 'Slice', 'Required', 'Samples'], rows, extent),
    }
  },

  'model-card'(card, extent) {
    const { show } = extent
    const { task, architectureFamily, architecture, library, datasets, useCases, limitations, metrics } = card
    const rows = metrics.map(({ metric, value, slice }) => [
      show(metric),
      show(value),
      slice === undefined ? '' : show(slice),
    ])
    return {
      ...cardContent(card, extent),
      facts: [
        ...cardFacts(card, show),
        ...text('task', task, show),
        ...text('architecture', architecture ?? architectureFamily, show),
        ...text('library', library, show),
        ...list('datasets', datasets, show),
        ...list('base models', card.ancestors, show),
        ...list('use cases', useCases, show),
        ...list('limitations', limitations, show),
      ],
      tables: tableOf('Measurements in the card', ['Metric', 'Value', 'Slice'], rows, extent),
    }
  },

  'data-card'(card, extent) {
    const { show } = extent
    return {
      ...cardContent(card, extent),
      facts: [
        ...cardFacts(card, show),
        ...list('tasks', card.tasks, show),
        ...list('size', card.sizes, show),
        ...list('classification', card.classifications, show),
        ...list('sensitive data', card.sensitiveData, show),
        ...list('made from', card.ancestors, show),
        ...list('page', card.urls, show),
        ...list('cite as', card.citations, show),
      ],
    }
  },

  provenance({ buildDefinition, runDetails: { builder, metadata } }, extent) {
    const { show } = extent
    const { buildType, externalParameters, resolvedDependencies = [] } = buildDefinition
    const rows = resolvedDependencies.map(({ name, uri, digest = {} }) => [
      name === undefined ? '' : show(name),
      uri === undefined ? '' : show(uri),
      Object.entries(digest)
        .slice(0, 4)
        .map(([algorithm, hex]) =>
          /^\w+:\w+$/.test(`${algorithm}:${hex}`) ? `${algorithm}:${hex}` : show(`${algorithm}:${hex}`),
        )
        .join(', '),
    ])
    const hasParameters = Object.keys(externalParameters).length > 0
    return {
      gist: `by ${show(builder.id)}`,
      facts: [
        ['builder', { address: builder.id }],
        ['build type', { address: buildType }],
        ...(metadata?.invocationId === undefined ? [] : [['invocation', { address: metadata.invocationId }] as const]),
        ...text('started', metadata?.startedOn, show),
        ...text('finished', metadata?.finishedOn, show),
      ],
      tables: tableOf('Made from', ['Name', 'Address', 'Digest'], rows, extent),
      texts: hasParameters ? [jsonText('parameters', externalParameters, extent)] : [],
    }
  },

  'verification-summary'(
    { verifier, timeVerified, resourceUri, policy, verificationResult, verifiedLevels },
    { show },
  ) {
    return {
      gist: `${verificationResult} by ${show(verifier.id)}`,
      facts: [
        ['result', verificationResult],
        ['verifier', { address: verifier.id }],
        ...text('verified', timeVerified, show),
        ['loaded from', { address: resourceUri }],
        ...(policy.uri === undefined ? [] : [['policy', { address: policy.uri }] as const]),
        ...list('levels', verifiedLevels, show),
      ],
    }
  },
}

type AnyCard = AttestedContents['model-card'] | AttestedContents['data-card']

function cardContent({ name, licences, description }: AnyCard, extent: Extent): Partial<StatementContent> {
  const { show } = extent
  return {
    gist: [show(name), ...licences.slice(0, MOST_IN_GIST).map(show)].join(', '),
    texts: description === undefined ? [] : [longText('description', description, extent)],
  }
}

function cardFacts({ name, version, licences, authors, suppliers, languages, tags }: AnyCard, show: Show): Facts {
  return [
    ['name', show(name)],
    ...text('version', version, show),
    ...list('licence', licences, show),
    ...list('authors', authors, show),
    ...list('supplier', suppliers, show),
    ...list('languages', languages, show),
    ...list('tags', tags, show),
  ]
}

const MOST_IN_GIST = 3
const MOST_LISTED = 10

function text(name: string, value: string | undefined, show: Show): Facts {
  return value === undefined ? [] : [[name, show(value)]]
}

function list(name: string, values: readonly string[], show: Show): Facts {
  if (values.length === 0) return []
  const more = values.length > MOST_LISTED ? ` and ${values.length - MOST_LISTED} more` : ''
  return [[name, `${values.slice(0, MOST_LISTED).map(show).join(', ')}${more}`]]
}

/** A name, a digest, or both. */
export function namedBy(name: string | undefined, sha256: string | undefined, show: Show): string {
  return [...(name === undefined ? [] : [show(name)]), ...(sha256 === undefined ? [] : [`sha256:${sha256}`])].join(', ')
}

/** @returns no table if there are no rows */
export function tableOf(
  caption: string,
  header: readonly string[],
  rows: readonly (readonly string[])[],
  { rows: most }: Extent,
): Table[] {
  if (rows.length === 0) return []
  // A column that says nothing would take the room of the others.
  const used = header.map((_, column) => rows.some((row) => row[column] !== ''))
  const kept = <T>(cells: readonly T[]) => cells.filter((_, column) => used[column])
  return [{ caption, header: kept(header), rows: rows.slice(0, most).map(kept), more: Math.max(0, rows.length - most) }]
}

/** Indented, a large value could become many times as long. */
const MOST_INDENTED = 5_000

function jsonText(name: string, json: unknown, extent: Extent): Section['texts'][number] {
  const compact = JSON.stringify(json)
  return longText(name, compact.length > MOST_INDENTED ? compact : JSON.stringify(json, null, 2), extent)
}

function longText(name: string, whole: string, { characters }: Extent): Section['texts'][number] {
  return { name, text: whole.slice(0, characters), more: Math.max(0, whole.length - characters) }
}
