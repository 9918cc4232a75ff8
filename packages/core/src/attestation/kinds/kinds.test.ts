import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ModelSealError } from '../../errors.ts'
import { atOnce } from '../../source/turns.ts'
import { attestationSteps, writeAttestation } from '../statement.ts'
import { kindNamed, kindOfStatement, KINDS, makePredicate, readPredicate } from './kinds.ts'
import { NAMED_KINDS } from './named-kinds.ts'
import { makeProvenance } from './make-provenance.ts'
import { makeVerificationSummary, type SummaryInput, type VerificationSummary } from './verification-summary.ts'

const ROOT = 'a'.repeat(64)
const SUMMARY: SummaryInput = {
  verifier: 'https://models.example/verifier',
  resourceUri: 'hf://org/vad@0123456789abcdef0123456789abcdef01234567',
  policy: { uri: 'trust-policy.yaml', sha256: ROOT },
  inputAttestations: [{ uri: 'vad.sigstore.json', sha256: ROOT }],
  isAccepted: true,
  verifiedLevels: ['SLSA_BUILD_LEVEL_2'],
}

test('policies know the names of all kinds and of their fields', () => {
  const expected = KINDS.map(({ name, what, types, fields, measurements }) => ({
    name,
    what,
    types,
    fields: Object.keys(fields),
    hasMetrics: measurements !== undefined,
  }))
  expect(
    NAMED_KINDS.map(({ name, what, types, fields, hasMetrics }) => ({ name, what, types, fields, hasMetrics })),
  ).toEqual(expected)
  for (const { fields, values = {}, caseless = [], digests = { only: [], among: [] } } of NAMED_KINDS)
    expect(fields).toEqual(
      expect.arrayContaining([...Object.keys(values), ...caseless, ...digests.only, ...digests.among]),
    )
})

test('policies know which fields have certain values, which have digests, and which are compared without regard to case', () => {
  const NONE = { values: undefined, caseless: undefined }
  const known = NAMED_KINDS.map(({ name, values, caseless, digests }) => [name, { values, caseless, digests }])
  expect(Object.fromEntries(known)).toEqual({
    evaluation: {
      ...NONE,
      values: { result: ['PASSED', 'WARNED', 'FAILED'] },
      digests: { only: ['dataset'], among: [] },
    },
    'model-card': { ...NONE, caseless: ['licence'], digests: { only: [], among: ['base-model'] } },
    'data-card': { ...NONE, caseless: ['licence'], digests: { only: [], among: ['source-dataset'] } },
    provenance: { ...NONE, digests: { only: ['base-model', 'dataset'], among: ['dependency'] } },
    'verification-summary': {
      ...NONE,
      values: { result: ['PASSED', 'FAILED'] },
      digests: { only: ['policy-files'], among: ['policy'] },
    },
  })
})

/** For each kind, a file to make a predicate from. */
const FILES: Readonly<Record<string, string>> = {
  evaluation: JSON.stringify({
    results: [
      {
        metric: 'accuracy',
        value: 0.94,
        unit: '1',
        dataset: { name: 'glue', digest: { sha256: ROOT } },
        slice: 'de',
        sampleSize: 9,
      },
      { metric: 'f1', value: 0.9, comparator: '>=', threshold: 0.8 },
    ],
    evaluatedOn: '2026-11-01T00:00:00Z',
    evaluator: 'x',
    url: 'https://ci.example',
  }),
  'model-card':
    '---\nlicense: [mit, x]\nlanguage: de\ntags: [a]\nbase_model: b\ndatasets: c\npipeline_tag: d\nlibrary_name: e\nmodel-index: [{ results: [{ dataset: { name: f }, metrics: [{ type: g, value: 1 }] }] }]\n---\nText.',
  'data-card': "---\nlicense: mit\nsize_categories: x\nsource_datasets: 'extended|y'\n---\nText.",
  provenance: JSON.stringify(
    makeProvenance({
      builder: 'https://builder.example',
      buildType: 'https://builder.example/v1',
      parameters: { epochs: '3' },
      invocation: 'run-1',
      startedOn: '2026-11-01T00:00:00Z',
      finishedOn: '2026-11-01T01:00:00Z',
      baseModels: [`base=sha256:${ROOT}`],
      datasets: [`voices=sha256:${ROOT}`],
    }),
  ),
  'verification-summary': JSON.stringify(makeVerificationSummary({ ...SUMMARY, timeVerified: new Date(0) })),
}

/** The statement about a predicate, written and read again. */
function statementOf(predicateType: string, predicate: object) {
  const written = writeAttestation({ name: 'vad', rootDigest: ROOT, identity: 'i' }, predicateType, predicate)
  return atOnce(attestationSteps(Buffer.from(JSON.stringify(written))))
}

test('names and types are sensible, and no two are equal', () => {
  const names = KINDS.flatMap(({ name, fields }) => [name, ...Object.keys(fields)])
  expect(names.filter((name) => !/^[a-z]+(-[a-z]+)*$/.test(name))).toEqual([])
  expect(new Set(KINDS.map(({ name }) => name)).size).toBe(KINDS.length)
  expect(KINDS.map(({ name }) => kindNamed(name))).toEqual(KINDS)
  expect(KINDS.flatMap(({ types }) => types).filter((type) => new URL(type).href !== type)).toEqual([])
})

test('a statement of another type is of no kind', () => {
  expect(kindOfStatement(statementOf('https://example.com/other/v1', {}))).toBeUndefined()
  expect(kindNamed('other')).toBeUndefined()
})

test('a predicate does not get fields from Object.prototype', () => {
  const { predicate } = statementOf('https://example.com/other/v1', { a: { b: 1 } })
  expect(Object.getPrototypeOf(predicate)).toBeNull()
  expect(Object.getPrototypeOf(predicate['a'])).toBeNull()
})

describe.each(KINDS.map((kind) => [kind.name, kind] as const))('%s', (name, kind) => {
  const make = () => makePredicate(kind, { bytes: Buffer.from(FILES[name]!), file: 'file', name: 'vad' })
  const readable = (predicate: object, type: string = kind.types[0]) =>
    readPredicate(kind, statementOf(type, predicate))

  test('is read as it was made, under each of its types', async () => {
    const made = await make()
    for (const type of kind.types) {
      const statement = statementOf(type, made)
      expect(kindOfStatement(statement)).toBe(kind)
      expect(statement.predicate).toEqual(made)
    }
    const value = readable(made)
    expect(kind.statedAt(value)).toMatch(/^\d{4}-\d\d-\d\dT.*Z$/)
    for (const read of Object.values(kind.fields))
      for (const one of read(value)) expect(['string', 'number', 'boolean']).toContain(typeof one)
  })

  test('is refused as malformed, or read, if any field is removed or has another type', async () => {
    const made = await make()
    const outcomes = mutantsOf(made).map((mutant) => outcomeOf(() => useOf(readable(mutant))))
    expect([...new Set(outcomes)].sort()).toEqual(['ATTESTATION_MALFORMED', 'read'])
  })

  test('is refused as malformed, or read, whatever the predicate is', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...WORDS, '__proto__'), fc.jsonValue({ maxDepth: 5 })), (predicate) => {
        expect(['ATTESTATION_MALFORMED', 'read']).toContain(outcomeOf(() => useOf(readable(predicate))))
      }),
    )
  })

  test('is refused if a field is doubled', async () => {
    const [[field, value] = ['']] = Object.entries(await make())
    const written = JSON.stringify(
      writeAttestation({ name: 'vad', rootDigest: ROOT, identity: 'i' }, kind.types[0], { [field]: value }),
    )
    const doubled = written.replace('"predicate":{', `"predicate":{"${field}":0,`)
    expect(outcomeOf(() => atOnce(attestationSteps(Buffer.from(doubled))))).toBe('JSON_DUPLICATE_KEY')
  })

  test('cannot be made from a file of another kind', async () => {
    await expect(
      makePredicate(kind, { bytes: Buffer.from('{"a":1}'), file: 'file', name: 'vad' }),
    ).rejects.toMatchObject({
      code: 'ATTESTATION_INPUT',
      file: 'file',
    })
  })

  function useOf(value: unknown): void {
    kind.statedAt(value)
    kind.measurements?.(value)
    for (const read of Object.values(kind.fields)) read(value)
  }
})

const WORDS = [
  ...['result', 'configuration', 'urn:modelseal:evaluation:0.1', 'passedTests', 'bomFormat', 'specVersion', 'metadata'],
  ...['components', 'buildDefinition', 'runDetails', 'verifier', 'policy', 'verifiedLevels', 'verificationResult'],
]

function outcomeOf(use: () => void): string {
  try {
    use()
    return 'read'
  } catch (error) {
    return error instanceof ModelSealError ? error.code : String(error)
  }
}

/** Copies of a value, each with one part removed, or replaced with a value of another type. */
function mutantsOf(value: object): object[] {
  const others = [undefined, null, true, 0, -1.5, '', 'x', [], {}, [null], { x: 1 }]
  return partsOf(value).flatMap((path) =>
    others.map((other) => {
      const copy = structuredClone(value) as Record<string, unknown>
      const holder = path.slice(0, -1).reduce((at, key) => at[key] as Record<string, unknown>, copy)
      holder[path.at(-1)!] = other
      return copy
    }),
  )
}

function partsOf(value: object, above: readonly string[] = []): string[][] {
  return Object.entries(value).flatMap(([key, part]) => [
    [...above, key],
    ...(typeof part === 'object' && part !== null ? partsOf(part as object, [...above, key]) : []),
  ])
}

describe('a verification summary', () => {
  const kind = kindNamed('verification-summary')!
  const read = (predicate: object) => readPredicate(kind, statementOf(kind.types[0], predicate)) as VerificationSummary

  test('says by whom, when, under which policy and with which result', () => {
    const policy = { ...SUMMARY.policy, policyFiles: 'f'.repeat(64) }
    const made = makeVerificationSummary({ ...SUMMARY, policy, timeVerified: new Date(0) })
    expect(made.policy).toEqual({ uri: 'trust-policy.yaml', digest: { sha256: ROOT, policyFiles: 'f'.repeat(64) } })
    const summary = read(made)
    expect(kind.statedAt(summary)).toBe('1970-01-01T00:00:00.000Z')
    expect(Object.fromEntries(Object.entries(kind.fields).map(([name, of]) => [name, of(summary)]))).toEqual({
      verifier: [SUMMARY.verifier],
      result: ['PASSED'],
      resource: [SUMMARY.resourceUri],
      policy: ['trust-policy.yaml', `sha256:${ROOT}`],
      'policy-files': [`sha256:${'f'.repeat(64)}`],
      level: ['SLSA_BUILD_LEVEL_2'],
    })
  })

  test('names the bundles that were verified, and levels, if there are any', () => {
    const { inputAttestations, verifiedLevels, ...least } = SUMMARY
    const time = { timeVerified: new Date(0) }
    expect(makeVerificationSummary({ ...SUMMARY, ...time })).toMatchObject({
      inputAttestations: [{ uri: 'vad.sigstore.json', digest: { sha256: ROOT } }],
      verifiedLevels,
    })
    expect(inputAttestations).toHaveLength(1)
    expect(makeVerificationSummary({ ...least, ...time })).toStrictEqual({
      verifier: { id: SUMMARY.verifier },
      timeVerified: '1970-01-01T00:00:00.000Z',
      resourceUri: SUMMARY.resourceUri,
      policy: { uri: 'trust-policy.yaml', digest: { sha256: ROOT } },
      verificationResult: 'PASSED',
      verifiedLevels: [],
    })
  })

  test('of a refusal has failed', () => {
    expect(read(makeVerificationSummary({ ...SUMMARY, isAccepted: false })).verificationResult).toBe('FAILED')
  })

  test('by others may have more, and no time', () => {
    const others = { ...makeVerificationSummary(SUMMARY), timeVerified: undefined }
    expect(
      kind.statedAt(read({ ...others, slsaVersion: '1.1', dependencyLevels: { SLSA_BUILD_LEVEL_1: 3 }, more: 1 })),
    ).toBeUndefined()
  })
})
