/** What a policy can name of a kind of attestation. */
export interface NamedKind {
  name: string
  /** With its article, for messages. */
  what: string
  /** The predicate types that are read. */
  types: readonly string[]
  /** All of them are text. */
  fields: readonly string[]
  /** Fields that only have certain values. */
  values?: Readonly<Record<string, readonly string[]>>
  /** Fields that are compared without regard to case. */
  caseless?: readonly string[]
  /** Fields that only have digests, written `sha256:HEX`, and fields that have names or URIs as well. */
  digests?: { only: readonly string[]; among: readonly string[] }
  /** Whether conditions can be about its metrics. */
  hasMetrics: boolean
}

const CARD_TYPES = ['https://cyclonedx.org/bom', 'https://cyclonedx.org/bom/v1.6', 'https://cyclonedx.org/bom/v1.7']
const CARD_FIELDS = ['name', 'version', 'licence', 'author', 'supplier', 'tag', 'language', 'task']
/** SPDX compares ids of licences without regard to case (SPDX 2.3, annex D.2). */
const CASELESS = ['licence']

/**
 * What policies can name of all kinds. It is kept apart from the records in `kinds.ts`, which a process loads only if a model has
 * attestations; a test compares the two.
 */
export const NAMED_KINDS: readonly NamedKind[] = [
  {
    name: 'evaluation',
    what: 'an evaluation',
    types: ['https://in-toto.io/attestation/test-result/v0.1'],
    fields: ['result', 'evaluator', 'url', 'passed-tests', 'warned-tests', 'failed-tests', 'metric', 'dataset'],
    values: { result: ['PASSED', 'WARNED', 'FAILED'] },
    digests: { only: ['dataset'], among: [] },
    hasMetrics: true,
  },
  {
    name: 'model-card',
    what: 'a model card',
    types: CARD_TYPES,
    fields: [...CARD_FIELDS, 'architecture', 'architecture-family', 'dataset', 'base-model', 'library', 'metric'],
    caseless: CASELESS,
    digests: { only: [], among: ['base-model'] },
    hasMetrics: true,
  },
  {
    name: 'data-card',
    what: 'a data card',
    types: CARD_TYPES,
    fields: [...CARD_FIELDS, 'size', 'source-dataset', 'classification', 'sensitive-data', 'url'],
    caseless: CASELESS,
    digests: { only: [], among: ['source-dataset'] },
    hasMetrics: false,
  },
  {
    name: 'provenance',
    what: 'a provenance statement',
    types: ['https://slsa.dev/provenance/v1'],
    fields: ['builder', 'build-type', 'invocation', 'source', 'commit', 'base-model', 'dataset', 'dependency'],
    digests: { only: ['base-model', 'dataset'], among: ['dependency'] },
    hasMetrics: false,
  },
  {
    name: 'verification-summary',
    what: 'a verification summary',
    types: ['https://slsa.dev/verification_summary/v1'],
    fields: ['verifier', 'result', 'resource', 'policy', 'policy-files', 'level'],
    values: { result: ['PASSED', 'FAILED'] },
    digests: { only: ['policy-files'], among: ['policy'] },
    hasMetrics: false,
  },
]

/** The kinds that a name or the URI of a predicate type may mean; none for a type that is not known. */
export function kindsOfType(type: string): readonly NamedKind[] {
  return NAMED_KINDS.filter(({ name, types }) => name === type || types.includes(type))
}

/** The kind that a name or the URI of a predicate type means; undefined if it is not known, or if several kinds share the URI. */
export function namedKind(type: string): NamedKind | undefined {
  const [kind, ...others] = kindsOfType(type)
  return others.length === 0 ? kind : undefined
}
