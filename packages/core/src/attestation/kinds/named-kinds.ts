/** What a policy can name of a kind of attestation. */
export interface NamedKind {
  name: string
  /** With its article, for messages. */
  what: string
  fields: readonly string[]
  /** Whether conditions can be about its metrics. */
  hasMetrics: boolean
}

const CARD_FIELDS = ['name', 'version', 'licence', 'author', 'supplier', 'tag', 'language', 'task']

/**
 * What policies can name of all kinds. It is kept apart from the records in `kinds.ts`, which a process loads only if a model has
 * attestations; a test compares the two.
 */
export const NAMED_KINDS: readonly NamedKind[] = [
  {
    name: 'evaluation',
    what: 'an evaluation',
    fields: ['result', 'evaluator', 'url', 'passed-tests', 'warned-tests', 'failed-tests', 'metric', 'dataset'],
    hasMetrics: true,
  },
  {
    name: 'model-card',
    what: 'a model card',
    fields: [...CARD_FIELDS, 'architecture', 'architecture-family', 'dataset', 'base-model', 'library', 'metric'],
    hasMetrics: true,
  },
  {
    name: 'data-card',
    what: 'a data card',
    fields: [...CARD_FIELDS, 'size', 'source-dataset', 'classification', 'sensitive-data'],
    hasMetrics: false,
  },
  {
    name: 'provenance',
    what: 'a provenance statement',
    fields: ['builder', 'build-type', 'invocation', 'source', 'commit', 'base-model', 'dataset', 'dependency'],
    hasMetrics: false,
  },
  {
    name: 'verification-summary',
    what: 'a verification summary',
    fields: ['verifier', 'result', 'resource', 'policy', 'level'],
    hasMetrics: false,
  },
]

/** @returns undefined for a type that is not known */
export function namedKind(name: string): NamedKind | undefined {
  return NAMED_KINDS.find((kind) => kind.name === name)
}
