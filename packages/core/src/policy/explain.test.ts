import { describe, expect, test } from 'vitest'
import { ModelSealError } from '../errors.ts'
import type { AttestationVerdict, BundleVerdict, Verdict, VerifiedIdentity } from '../results.ts'
import { refusal } from '../testing/scratch.ts'
import { explain, hashedWords } from './explain.ts'

const VERDICT: Verdict = {
  decision: 'accepted',
  at: '2026-06-15T12:00:00Z',
  policy: '/p.yaml',
  rule: 'voice',
  mode: 'enforce',
  model: { path: '/m' },
  checks: [],
  bundles: [],
  files: { checked: 0, signed: 0 },
  bytes: 0,
  durations: { policy: 1.2, verification: 2.2, hashing: 3.2 },
}

const SIGNER = { method: 'key', description: 'key sha256:00', name: 'release', fingerprint: '00' } as VerifiedIdentity
const TIME = { at: '2026-06-01T00:00:00Z', source: 'rfc3161', authority: 'CN=TSA' } as const
const REASON = new ModelSealError('KEY_REVOKED', 'It is revoked.').toJSON()

/** The lines that differ from those about {@link VERDICT}. */
function lines(more: Partial<Verdict> = {}): string[] {
  const usual = new Set(explain(VERDICT).split('\n'))
  return explain({ ...VERDICT, ...more })
    .split('\n')
    .filter((line) => !usual.has(line))
}

describe('an explanation', () => {
  test('begins with the decision and the rule', () => {
    expect(explain(VERDICT)).toBe(
      'Accepted: "/m"\nThe rule "voice" of the policy "/p.yaml" decides, in the mode enforce.',
    )
  })

  test.each([
    ['refused', 'Refused: "/m"'],
    ['tolerated', 'Loads UNVERIFIED although the check refuses it: "/m"'],
    ['skipped', 'Loads UNVERIFIED, since its rule skips the check: "/m"'],
  ] as const)('names the decision %s', (decision, line) => expect(lines({ decision })).toEqual([line]))

  test('repeats the whole sentence of a message that does not say what was expected', () => {
    const error = { ...REASON, expected: 'a key', found: 'none' }
    const check = { check: 'signature', outcome: 'failed', reason: error.message } as const
    const [line] = lines({ decision: 'refused', error, checks: [check] }).filter((text) => text.startsWith('  FAIL'))
    expect(line).toBe('  FAIL signature: It is revoked.')
  })

  test('states the default of the mode', () => expect(lines({ mode: undefined as never })).toEqual([]))

  test.each<[string, Partial<Verdict>, string]>([
    ['no policy', { policy: undefined as never }, 'No policy was read.'],
    ['no rule', { rule: undefined as never }, 'No rule of the policy "/p.yaml" was applied.'],
    [
      'the mode and the reason of the rule',
      { mode: 'audit', reason: 'new' },
      'The rule "voice" of the policy "/p.yaml" decides, in the mode audit. Its reason: "new".',
    ],
    ['a revision', { model: { path: '/m', revision: 'c0' } }, 'Its revision is "c0".'],
    [
      'a revision that was requested',
      { model: { path: '/m', revision: 'c0', requested: 'c0' } },
      'Its revision is "c0".',
    ],
    [
      'a revision that a branch names',
      { model: { path: '/m', revision: 'c0', requested: 'main' } },
      'Its revision is "c0", which "main" names.',
    ],
    ['a warning', { warnings: [{ code: 'X', message: 'Slow.' }] }, 'Warning: Slow.'],
    ['a refusal', { error: REASON }, 'Why: KEY_REVOKED. It is revoked.'],
    ['a refusal that is tolerated', { wouldRefuse: REASON }, 'Would be refused: KEY_REVOKED. It is revoked.'],
  ])('says %s', (_, more, line) => expect(lines(more)).toEqual([line]))

  test.each<[string, Partial<Verdict>, string]>([
    [
      'hashed',
      { files: { checked: 2, signed: 3 }, bytes: 7, hashed: 'files' },
      '2 of 3 signed files were hashed and match their signed digests, 7 bytes, in 7 ms.',
    ],
    [
      'hashed, as the only one',
      { files: { checked: 1, signed: 1 }, bytes: 7 },
      '1 of 1 signed file was hashed and matches its signed digest, 7 bytes, in 7 ms.',
    ],
    [
      'known from a receipt',
      { files: { checked: 2, signed: 2 }, hashed: 'receipt' },
      '2 of 2 signed files have not changed since they were hashed (receipt); 0 bytes were hashed again, in 7 ms.',
    ],
    [
      'known from a receipt, as the only one',
      { files: { checked: 1, signed: 1 }, hashed: 'receipt' },
      '1 of 1 signed file has not changed since it was hashed (receipt); 0 bytes were hashed again, in 7 ms.',
    ],
  ])('says how many files were %s', (_, more, line) => {
    expect(lines({ ...more, model: { path: '/m', name: 'vad', rootDigest: 'aa' } })).toEqual([
      'It was signed under the name "vad", with the root digest sha256:aa.',
      line,
    ])
  })

  test('leaves the name out if the statement has none', () => {
    expect(lines({ model: { path: '/m', rootDigest: 'aa' } })[0]).toContain('under the name ""')
  })

  test('uses the plural for none of one file', () => {
    expect(hashedWords({ checked: 0, signed: 1 })).toBe(
      '0 of 1 signed files were hashed and match their signed digests',
    )
    expect(hashedWords({ checked: 1, signed: 2 })).toContain('1 of 2 signed files were')
  })

  test('lists the checks', () => {
    expect(
      lines({
        checks: [
          { check: 'signature', outcome: 'passed', reason: 'Valid.', bundle: '/m.sig' },
          { check: 'threshold', outcome: 'failed', reason: 'Too few.' },
        ],
      }),
    ).toEqual(['Checks:', '  ok   signature of "/m.sig": Valid.', '  FAIL threshold: Too few.'])
  })

  test.each<[string, ConstructorParameters<typeof ModelSealError>[2]]>([
    ['expected and found', { expected: 'one', found: 'two', hint: 'Retry.' }],
    ['expected only', { expected: 'one' }],
    ['found only', { found: 'two' }],
    ['nothing more', { hint: 'Retry.' }],
  ])('has the details of its reason once, with %s', (_, details) => {
    const error = new ModelSealError('FILE_MISMATCH', 'It differs. Found out late.', details).toJSON()
    const found = lines({ error, checks: [{ check: 'files', outcome: 'failed', reason: error.message }] })
    expect(found).toEqual([
      'Checks:',
      '  FAIL files: It differs. Found out late.',
      `Why: FILE_MISMATCH. ${error.message}`,
    ])
  })

  test.each<[string, Partial<BundleVerdict>, string]>([
    [
      'counts',
      { counted: true, signer: SIGNER, time: TIME },
      'is signed by key sha256:00, under the trust root "release", at 2026-06-01T00:00:00Z according to "CN=TSA". It counts.',
    ],
    [
      'has a reason',
      { reason: REASON },
      'has no valid signature from an accepted signer. It does not count: KEY_REVOKED. It is revoked.',
    ],
    ['has no reason', {}, 'has no valid signature from an accepted signer. It does not count.'],
  ])('describes a bundle that %s', (_, bundle, sentence) =>
    expect(lines({ bundles: [{ path: '/m.sig', counted: false, ...bundle }] })).toEqual([
      'Bundles:',
      `  "/m.sig" ${sentence}`,
    ]),
  )

  test.each<[string, Partial<AttestationVerdict>, string]>([
    ['cannot be read', { reason: REASON }, 'cannot be read. It does not count: KEY_REVOKED. It is revoked.'],
    ['is of an unknown type', { type: 'https://t' }, 'is of the type "https://t". The rule does not ask for it.'],
    [
      'satisfies the rule',
      { kind: 'evaluation', type: 'https://t', signer: SIGNER, time: TIME, satisfies: ['evaluation', 'https://t'] },
      'is of the kind evaluation, signed by key sha256:00, under the trust root "release", at 2026-06-01T00:00:00Z according to "CN=TSA". It satisfies the rule: evaluation, https://t.',
    ],
  ])('describes an attestation that %s', (_, attestation, sentence) =>
    expect(lines({ attestations: [{ path: '/m.att', ...attestation }] })).toEqual([
      'Attestations:',
      `  "/m.att" ${sentence}`,
    ]),
  )

  test('lists at most fifty attestations', () => {
    const attestations = (count: number) => Array.from({ length: count }, () => ({ path: '/m.att', type: 't' }))
    expect(lines({ attestations: [] })).toEqual(['Attestations: there are none.'])
    expect(lines({ attestations: attestations(50) })).toHaveLength(51)
    expect(lines({ attestations: attestations(53) })).toHaveLength(52)
    expect(lines({ attestations: attestations(53) }).at(-1)).toBe('  and 3 more.')
  })

  test.each<[string, unknown]>([
    ['nothing', undefined],
    ['no model', { ...VERDICT, model: undefined }],
    ['a model that is null', { ...VERDICT, model: null }],
    ['a model that is text', { ...VERDICT, model: '/m' }],
    ['another decision', { ...VERDICT, decision: 'loaded' }],
    ['a word of JavaScript for a decision', { ...VERDICT, decision: 'toString' }],
    ['no checks', { ...VERDICT, checks: undefined }],
    ['no bundles', { ...VERDICT, bundles: {} }],
  ])('is refused for %s', (_, verdict) =>
    expect(() => explain(verdict as Verdict)).toThrow(
      refusal('INVALID_ARGUMENT', {
        expected: 'a verdict',
        message: expect.stringContaining('the verdict') as string,
      }),
    ),
  )
})
