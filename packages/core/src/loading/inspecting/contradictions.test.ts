import { describe, expect, test } from 'vitest'
import type { VerifiedIdentity } from '../../results.ts'
import { findContradictions } from './contradictions.ts'
import type { WeighedAttestation } from './weighed-attestation.ts'

const SHA = 'a'.repeat(64)
const LAB = { description: 'the lab' }
let lines = 0

interface Result {
  metric?: string
  value: number | string
  unit?: string
  slice?: string
  dataset?: object
}

/** An evaluation that names the lab as its signer. */
function evaluation(results: readonly Result[], more: Partial<WeighedAttestation> = {}): WeighedAttestation {
  const content = { results: results.map((result) => ({ metric: 'accuracy', ...result })) }
  const path = `claims.jsonl:${++lines}`
  return { path, kind: 'evaluation', content, signer: LAB, isAbout: true, belief: 'claimed', why: '', ...more }
}

const measured = (value: number | string, more: Partial<Result> = {}) => evaluation([{ value, ...more }])
const metrics = (...attestations: WeighedAttestation[]) => findContradictions(attestations).map(({ metric }) => metric)

test('a contradiction says what was measured, who says so, and where', () => {
  const on = { metric: 'f1', unit: '%', slice: 'noisy', dataset: { name: 'test', digest: { sha256: SHA } } }
  const [first, second] = [measured(90, on), measured(80, on)]
  expect(findContradictions([first, second])).toEqual([
    {
      metric: 'f1',
      unit: '%',
      slice: 'noisy',
      dataset: { name: 'test', sha256: SHA },
      signer: 'the lab',
      values: [
        { value: 90, path: first.path, belief: 'claimed' },
        { value: 80, path: second.path, belief: 'claimed' },
      ],
    },
  ])
})

test('two values in one attestation are a contradiction, too', () => {
  expect(metrics(evaluation([{ value: 1 }, { value: 2 }]))).toEqual(['accuracy'])
  expect(metrics(evaluation([{ value: 1 }, { value: 1 }]))).toEqual([])
})

describe('values do not contradict each other', () => {
  test.each<[string, Partial<Result>, Partial<Result>]>([
    ['of two metrics', { metric: 'f1' }, { metric: 'recall' }],
    ['in two units', { unit: '%' }, {}],
    ['of two slices', { slice: 'noisy' }, { slice: 'quiet' }],
    ['on two datasets of different content', { dataset: { digest: { sha256: SHA } } }, { dataset: { name: 'test' } }],
    [
      'on datasets of which one is only named like a digest',
      { dataset: { digest: { sha256: SHA } } },
      { dataset: { name: SHA } },
    ],
    ['on two named datasets', { dataset: { name: 'test' } }, { dataset: { name: 'train' } }],
    ['on a dataset, and on none', { dataset: { name: 'test' } }, {}],
  ])('%s', (_, one, other) => {
    expect(metrics(measured(1, one), measured(2, other))).toEqual([])
    expect(metrics(measured(1, one), measured(2, one))).toHaveLength(1)
    expect(metrics(measured(1, other), measured(2, other))).toHaveLength(1)
  })

  test('of an attestation about another model', () => {
    expect(metrics(measured(1), evaluation([{ value: 2 }], { isAbout: false }))).toEqual([])
    const unknown = measured(2)
    delete unknown.isAbout
    expect(metrics(measured(1), unknown)).toHaveLength(1)
  })

  test('of signers that are not named', () => {
    const unsigned = [1, 2].map((value) => evaluation([{ value }]))
    for (const one of unsigned) delete one.signer
    expect(metrics(...unsigned)).toEqual([])
  })

  test.each<[string, Partial<WeighedAttestation>]>([
    ['that cannot be read', { error: { name: 'ModelSealError', code: 'ATTESTATION_MALFORMED', message: '' } as never }],
    ['whose kind is not known', { kind: 'unknown' }],
    ['of a kind that measures nothing', { kind: 'provenance' }],
    ['whose content was left out', { content: undefined }],
  ])('of attestations %s', (_, more) => {
    expect(metrics(measured(1), evaluation([{ value: 2 }], more))).toEqual([])
  })

  test('of an attestation without a kind', () => {
    const other = measured(2)
    delete other.kind
    expect(metrics(measured(1), other)).toEqual([])
  })
})

test('the dataset is known by its digest, whatever its name', () => {
  const named = (name: string) => ({ dataset: { name, digest: { sha256: SHA } } })
  expect(findContradictions([measured(1, named('a')), measured(2, named('b'))])).toMatchObject([
    { dataset: { name: 'a', sha256: SHA } },
  ])
})

test('the verified signer counts, not the one that the bundle names', () => {
  const verified = { description: 'the verified lab' } as VerifiedIdentity
  const claim = measured(2)
  const proof = { ...evaluation([{ value: 1 }]), verifiedSigner: verified, belief: 'verified' as const }
  expect(metrics(proof, claim)).toEqual([])
  expect(findContradictions([proof, { ...claim, verifiedSigner: verified }])).toMatchObject([
    { signer: 'the verified lab', values: [{ belief: 'verified' }, { belief: 'claimed' }] },
  ])
})

test('the same value is named once for each belief', () => {
  const believed = (value: number) => evaluation([{ value }], { belief: 'believed' })
  const [{ values } = { values: [] }] = findContradictions([believed(1), measured(1), measured(1), measured(2)])
  expect(values.map(({ value, belief }) => [value, belief])).toEqual([
    [1, 'believed'],
    [1, 'claimed'],
    [2, 'claimed'],
  ])
})

test('at most 20 values of one measurement, and at most 100 measurements are named', () => {
  const many = Array.from({ length: 25 }, (_, value) => measured(value))
  expect(findContradictions(many).map(({ values }) => values.length)).toEqual([20])
  const results = Array.from({ length: 101 }, (_, at) => [0, 1].map((value) => ({ metric: `m${at}`, value })))
  const found = findContradictions([evaluation(results.flat())])
  expect(found).toHaveLength(100)
  expect(found.at(-1)?.metric).toBe('m99')
})
