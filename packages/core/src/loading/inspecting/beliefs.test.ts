import { describe, expect, test } from 'vitest'
import { ModelSealError, type ErrorCode } from '../../errors.ts'
import { ROLE_ANNOTATION } from '../../attestation/kinds/provenance.ts'
import type { SignatureTime, Verdict, VerifiedIdentity } from '../../results.ts'
import type { InspectedBundle } from './inspect-bundle.ts'
import type { InspectedAttestation } from './read-attestations.ts'
import { weighAttestations } from './weigh-attestations.ts'

const ROOT = '1'.repeat(64)
const OTHER = '2'.repeat(64)
const [IDENTITY, OTHER_IDENTITY] = ['a'.repeat(64), 'b'.repeat(64)]
const DIGEST = 'd'.repeat(64)
const LAB = { method: 'key', name: 'lab', description: 'the lab' } as unknown as VerifiedIdentity

type Judged = NonNullable<Verdict['attestations']>[number]

const about = (sha256 = ROOT, modelIdentity: string | undefined = IDENTITY) => ({ sha256, modelIdentity })

function claim(more: Partial<InspectedAttestation> = {}): InspectedAttestation {
  return { path: 'claims.jsonl:1', digest: DIGEST, subjects: [about()], isAbout: true, ...more }
}

function bundle(path: string, rootDigest = ROOT, modelIdentity = IDENTITY): InspectedBundle {
  return { path, statement: { rootDigest, modelIdentity } } as InspectedBundle
}

function without<Value extends object, Name extends keyof Value>(value: Value, ...names: Name[]): Omit<Value, Name> {
  const kept = Object.entries(value).filter(([name]) => !names.includes(name as Name))
  return Object.fromEntries(kept) as Omit<Value, Name>
}

const judged = (more: Partial<Judged> = {}) =>
  ({ path: 'claims.jsonl:1', digest: DIGEST, signer: LAB, satisfies: ['evaluation'], ...more }) as Judged

const reasonOf = (code: ErrorCode) => new ModelSealError(code, 'It does not count.').toJSON()

function verdict(attestations: readonly Judged[] | undefined, more: object = {}): Verdict {
  return {
    decision: 'accepted',
    model: { path: 'm', rootDigest: ROOT },
    bundles: [],
    checks: [],
    ...(attestations && { attestations }),
    ...more,
  } as unknown as Verdict
}

function weighed(claims: readonly InspectedAttestation[], by?: Verdict, bundles = [bundle('m.sig')]) {
  return weighAttestations({ bundles, attestations: claims }, by).attestations
}

const one = (by?: Verdict, given = claim()) => weighed([given], by)[0]

const isClaimed = (words: string) => {
  const matched = { belief: 'claimed', why: expect.stringContaining(words) as string }
  return expect.objectContaining(matched) as object
}

describe('an attestation is believed', () => {
  test('if it satisfies the rule, and the policy accepts the model', () => {
    const time = { at: '2026-11-01T00:00:00Z', source: 'timestamp' } as unknown as SignatureTime
    expect(one(verdict([judged({ time })]))).toEqual({
      ...claim(),
      belief: 'believed',
      why: 'It satisfies what the rule requires (evaluation).',
      verifiedSigner: LAB,
      time,
      satisfies: ['evaluation'],
    })
    expect(one(verdict([judged()]))).not.toHaveProperty('time')
    const both = one(verdict([judged({ satisfies: ['evaluation', 'https://example.org/review/v1'] })]))
    expect(both?.why).toContain('(evaluation, https://example.org/review/v1)')
  })

  test.each(['refused', 'tolerated', 'skipped'])('but not by a policy that says %s', (decision) => {
    const reason = reasonOf('FILE_MISMATCH')
    const because = decision === 'tolerated' ? { wouldRefuse: reason } : decision === 'refused' ? { error: reason } : {}
    const found = one(verdict([judged()], { decision, ...because }))
    expect(found).toMatchObject({ belief: 'verified', verifiedSigner: LAB, satisfies: ['evaluation'] })
    expect(found?.why).toBe(
      `It satisfies what the rule requires (evaluation), but the policy does not accept the model${decision === 'skipped' ? '' : ' (FILE_MISMATCH)'}.`,
    )
  })
})

describe('an attestation is verified', () => {
  test('if its signer is the right one, and it satisfies nothing', () => {
    const reason = reasonOf('ATTESTATION_CONDITION')
    expect(one(verdict([judged({ satisfies: [], reason })]))).toMatchObject({
      belief: 'verified',
      verifiedSigner: LAB,
      why: 'It does not count. (ATTESTATION_CONDITION)',
    })
    const found = one(verdict([without(judged(), 'satisfies')]))
    expect(found).toMatchObject({ belief: 'verified', why: 'The rule does not ask for it.' })
    expect(found).not.toHaveProperty('satisfies')
  })
})

describe('an attestation is claimed', () => {
  test('without a policy', () => {
    expect(one()).toEqual({ ...claim(), belief: 'claimed', why: expect.stringContaining('No policy') as string })
  })

  test('if the verdict is about another statement, or the same one elsewhere', () => {
    for (const other of [{ digest: 'e'.repeat(64) }, { path: 'claims.jsonl:2' }])
      expect(one(verdict([judged(other)]))).toEqual(isClaimed('asks for no such statement'))
  })

  test('if its signer was not verified, whatever it is said to satisfy', () => {
    const unsigned = without(judged(), 'signer')
    expect(one(verdict([{ ...unsigned, reason: reasonOf('SIGNER_NOT_TRUSTED') }]))).toEqual(
      isClaimed('It does not count. (SIGNER_NOT_TRUSTED)'),
    )
    expect(one(verdict([unsigned]))).toEqual(isClaimed('asks for no such statement'))
  })

  test('if it has no digest by which it could be known', () => {
    expect(one(verdict([without(judged(), 'digest')]), without(claim(), 'digest'))).toEqual(
      isClaimed('asks for no such statement'),
    )
  })

  test('if it cannot be read, with the reason', () => {
    const error = new ModelSealError('JSON_INVALID', 'Cannot read it.').toJSON()
    expect(one(undefined, claim({ error }))).toEqual(isClaimed('Cannot read it. (JSON_INVALID)'))
  })

  test('if the rule asks for none, or the policy refused the model before', () => {
    expect(one(verdict(undefined))).toEqual(isClaimed('The rule asks for no attestations'))
    const passed = { check: 'policy', outcome: 'passed' }
    expect(one(verdict(undefined, { checks: [passed] }))).toEqual(isClaimed('The rule asks for no attestations'))
    const checks = [passed, { check: 'signature', outcome: 'failed' }]
    expect(one(verdict(undefined, { checks }))).toEqual(isClaimed('refused the model before'))
  })

  test.each<[string, NonNullable<InspectedAttestation['subjects']>, string]>([
    ['another model', [about(OTHER)], `It is about the root digest sha256:${OTHER}.`],
    ['several other models', [about(OTHER), about('3'.repeat(64))], 'It is about other models.'],
    ['the same contents under other names', [about(ROOT, OTHER_IDENTITY)], 'the same root digest, but other names'],
    ['that and another model', [about(OTHER), about(ROOT, OTHER_IDENTITY)], 'the same root digest, but other names'],
    ['nothing', [], 'It is about other models.'],
  ])('if it is about %s', (_, subjects, words) => {
    const found = one(undefined, claim({ subjects }))
    expect(found).toMatchObject({ isAbout: false })
    expect(found).toEqual(isClaimed(words))
  })

  test('if it is about another model, although neither is known', () => {
    const foreign = claim({ subjects: [about(OTHER)], isAbout: false })
    expect(weighed([foreign], undefined, [])).toEqual([isClaimed(`It is about the root digest sha256:${OTHER}.`)])
    const unnamed = without(claim({ isAbout: false }), 'subjects')
    expect(weighed([unnamed], undefined, [])).toEqual([isClaimed('It is about other models.')])
  })
})

describe('the model is', () => {
  const mine = [claim({ subjects: [about(ROOT)] }), claim({ subjects: [about(ROOT, OTHER_IDENTITY)] })]
  const bundles = [bundle('other.sig', ROOT, OTHER_IDENTITY), bundle('m.sig')]
  const aboutIdentities = (by?: Verdict, given = bundles) =>
    weighed(mine, by, given).flatMap(({ isAbout: is, subjects }) => (is ? (subjects?.[0]?.modelIdentity ?? []) : []))

  test('that of the first bundle, unless the policy counted another one', () => {
    expect(aboutIdentities()).toEqual([OTHER_IDENTITY])
    expect(aboutIdentities(verdict([]))).toEqual([OTHER_IDENTITY])
    const counted = [
      { path: 'other.sig', counted: false },
      { path: 'm.sig', counted: true },
    ]
    expect(aboutIdentities(verdict([], { bundles: counted }))).toEqual([IDENTITY])
  })

  test('that of a bundle with the root digest that was judged', () => {
    const unnamed = { model: { path: 'm' } }
    expect(aboutIdentities(verdict([], unnamed))).toEqual([OTHER_IDENTITY])
    const counted = [{ path: 'old.sig', counted: true }]
    const old = [bundle('old.sig', OTHER, OTHER_IDENTITY), bundle('m.sig')]
    expect(aboutIdentities(verdict([], { bundles: counted }), old)).toEqual([IDENTITY])
  })

  test('not known without a bundle that can be read: then the attestations say nothing new about it', () => {
    const unread = { path: 'm.sig' } as InspectedBundle
    const judgedOther = verdict([], { model: { path: 'm', rootDigest: OTHER } })
    for (const [by, given] of [
      [undefined, [unread]],
      [undefined, []],
      [judgedOther, bundles],
      [judgedOther, [unread]],
    ] as const) {
      expect(weighed(mine, by, [...given]).map(({ isAbout }) => isAbout)).toEqual([true, true])
      expect(weighAttestations({ bundles: given, attestations: mine }, by).lineage).toBeUndefined()
    }
  })
})

test('an attestation whose subjects cannot be read is not said to be about any model', () => {
  expect(one(undefined, without(claim(), 'subjects', 'isAbout'))).not.toHaveProperty('isAbout')
})

test('what is believed comes first, and then what is verified, about this model, and readable', () => {
  const error = new ModelSealError('JSON_INVALID', 'Cannot read it.').toJSON()
  const digests = { unread: '0', foreign: '1', claimed: '2', verified: '3', believed: '4' }
  const claims = [
    claim({ digest: digests.unread, error }),
    claim({ digest: digests.foreign, subjects: [about(OTHER)] }),
    claim({ digest: digests.claimed }),
    claim({ digest: digests.verified }),
    claim({ digest: digests.believed }),
  ]
  const by = verdict([judged({ digest: digests.verified, satisfies: [] }), judged({ digest: digests.believed })])
  const { believed, verified, claimed, foreign, unread } = digests
  expect(weighed(claims, by).map(({ digest }) => digest)).toEqual([believed, verified, claimed, foreign, unread])
})

test('the lineage and contradictions are those of what was weighed', () => {
  const dependency = { digest: { sha256: OTHER }, annotations: { [ROLE_ANNOTATION]: 'base-model' } }
  const made = { buildDefinition: { resolvedDependencies: [dependency] } }
  const provenance = claim({ kind: 'provenance', content: made })
  const evaluated = [1, 2].map((value, at) =>
    claim({
      kind: 'evaluation',
      path: `${at}`,
      signer: { description: 'x' },
      content: { results: [{ metric: 'm', value }] },
    }),
  )
  const attestations = [provenance, ...evaluated]
  const { lineage, contradictions } = weighAttestations(
    { bundles: [bundle('m.sig')], attestations },
    verdict([judged()]),
  )
  expect(lineage).toMatchObject({ sha256: ROOT, ancestors: [{ sha256: OTHER, belief: 'believed' }] })
  expect(contradictions).toMatchObject([{ metric: 'm', signer: 'x', values: [{ value: 1 }, { value: 2 }] }])
})
