import { describe, expect, test, vi } from 'vitest'
import { parseBundle, type FoundBundle } from '../bundle/bundle.ts'
import { ModelSealError } from '../errors.ts'
import { bundleOver, encoded, keyPair, rootOf, sha256, statementOver, type KeyPair } from '../testing/bundles.ts'
import { signatureBy } from '../testing/evidence.ts'
import { policyOf, ruleOf } from '../testing/rules.ts'
import { refusal } from '../testing/scratch.ts'
import { identifySigner } from './identify.ts'
import { judge } from './judge.ts'
import type { AcceptedSigner } from './methods/methods.ts'
import { timestamp } from './requirements/timestamp.ts'
import { Revocations } from './revocations/revocations.ts'
import { Effort } from '../verification/effort.ts'
import type { Rule } from './rule.ts'

vi.mock('./identify.ts', { spy: true })

const [A, B, C, STRANGER] = [keyPair(), keyPair(), keyPair(), keyPair()]
const ONE = { 'weights.bin': 'one' }
const TWO = { 'weights.bin': 'two' }

function accepted(root: string, { publicKey }: KeyPair): AcceptedSigner {
  return { method: 'key', root, keys: [{ publicKey, path: `/${root}.pub`, notBefore: -Infinity, notAfter: Infinity }] }
}

const SIGNERS = [accepted('a', A), accepted('b', B), accepted('c', C)]

function signed(by: KeyPair, contents: Record<string, string> = ONE, path = '/m.sig'): FoundBundle {
  return { path, bundle: parseBundle(bundleOver(encoded(statementOver(contents)), by), path) }
}

const broken = (code: 'BUNDLE_MALFORMED' | 'JSON_INVALID', path = '/broken.sig'): FoundBundle => ({
  path,
  error: new ModelSealError(code, 'Broken.', { file: path }),
})

interface Given extends Partial<Rule> {
  revoked?: Parameters<Revocations['add']>[0]
  signal?: AbortSignal
}

function judged(candidates: FoundBundle[], { revoked = {}, signal, ...rule }: Given = {}) {
  const revocations = new Revocations()
  revocations.add(revoked)
  const policy = policyOf([], { revocations })
  return judge(candidates, ruleOf({ path: '**' }, { signers: SIGNERS, ...rule }), policy, { now: Date.now(), signal })
}

const revokedKey = ({ publicKey }: KeyPair) => ({ keys: [publicKey.fingerprint] })

/** The checks, without their sentences. */
const stepsOf = ({ checks }: Awaited<ReturnType<typeof judged>>) =>
  checks.map(({ check, outcome, code = '', bundle = '' }) => `${check} ${outcome} ${code} ${bundle}`.trim())

describe('a model is accepted', () => {
  test('with the signature of one accepted signer', async () => {
    const judgement = await judged([signed(A)])
    expect(judgement.outcome).toMatchObject({ signature: { signer: { name: 'a' } } })
    expect(judgement.checks).toEqual([
      {
        check: 'signature',
        outcome: 'passed',
        reason: expect.stringMatching(
          /^The signature by key sha256:\w+ is valid under the trust root "a"\.$/,
        ) as string,
        bundle: '/m.sig',
      },
      {
        check: 'revocation',
        outcome: 'passed',
        reason: 'Neither the signer nor the model is revoked.',
        bundle: '/m.sig',
      },
      {
        check: 'threshold',
        outcome: 'passed',
        reason: 'Distinct signers of the rule that signed the model: 1. Required: 1.',
      },
    ])
    expect(judgement.bundles).toEqual([
      { path: '/m.sig', counted: true, signer: expect.objectContaining({ method: 'key', name: 'a' }) as object },
    ])
    for (const name of ['time', 'logEntry', 'reason']) expect(judgement.bundles[0]).not.toHaveProperty(name)
  })

  test('at the time and with the log entry that its signature proves', async () => {
    const proven = {
      time: { at: '2026-06-01T00:00:00Z', source: 'rekor', authority: 'https://log.example' },
      logEntry: { log: 'https://log.example', index: 7 },
    } as const
    const signature = { ...signatureBy({ time: proven.time }), logEntry: proven.logEntry }
    vi.mocked(identifySigner).mockResolvedValueOnce({ signature, signers: [0], validities: [] })
    expect((await judged([signed(A)])).bundles).toMatchObject([{ counted: true, ...proven }])
  })

  test('beside bundles that do not count', async () => {
    const judgement = await judged([broken('BUNDLE_MALFORMED'), signed(STRANGER, ONE, '/s.sig'), signed(A)])
    expect(judgement.outcome).toHaveProperty('signature')
    expect(judgement.bundles).toMatchObject([
      { path: '/broken.sig', counted: false, reason: { code: 'BUNDLE_MALFORMED' } },
      { path: '/s.sig', counted: false, reason: { code: 'SIGNER_NOT_TRUSTED' } },
      { path: '/m.sig', counted: true },
    ])
    expect(stepsOf(judgement)).toEqual([
      'signature failed BUNDLE_MALFORMED /broken.sig',
      'signature failed SIGNER_NOT_TRUSTED /s.sig',
      'signature passed  /m.sig',
      'revocation passed  /m.sig',
      'threshold passed',
    ])
  })

  test('beside a revoked signature, if enough others count', async () => {
    const judgement = await judged([signed(B, ONE, '/b.sig'), signed(A)], { revoked: revokedKey(B) })
    expect(judgement.outcome).toHaveProperty('signature')
    expect(judgement.bundles).toMatchObject([{ counted: false, reason: { code: 'KEY_REVOKED' } }, { counted: true }])
  })

  test('with as many signers as the rule requires', async () => {
    const judgement = await judged([signed(A), signed(B)], { threshold: 2 })
    expect(judgement.outcome).toMatchObject({ signature: { signer: { name: 'a' } } })
    expect(judgement.bundles.map(({ counted }) => counted)).toEqual([true, true])
    expect(judgement.checks.at(-1)?.reason).toContain('the model: 2. Required: 2.')
  })

  test('as the first one that enough signed, and other bundles are for another model', async () => {
    const judgement = await judged([signed(A, ONE, '/a.sig'), signed(B, TWO, '/b.sig')])
    expect(judgement.outcome).toMatchObject({ signature: { signer: { name: 'a' } } })
    expect(judgement.bundles).toMatchObject([
      { counted: true },
      {
        counted: false,
        reason: {
          code: 'SIGNATURE_THRESHOLD',
          file: '/b.sig',
          expected: `the root digest sha256:${rootOf([sha256('one')])}`,
          found: `sha256:${rootOf([sha256('two')])}`,
        },
      },
    ])
    expect(judgement.bundles[1]?.reason?.message).toContain('The bundle "/b.sig" is for a different model')
    expect(judgement.bundles[1]?.reason?.message).toContain('"/a.sig"')
  })

  test('as the one that enough signed, whatever comes first', async () => {
    const judgement = await judged([signed(A, ONE, '/a.sig'), signed(B, TWO), signed(C, TWO)], { threshold: 2 })
    expect(judgement.outcome).toMatchObject({ signature: { signer: { name: 'b' } } })
    expect(judgement.bundles.map(({ counted }) => counted)).toEqual([false, true, true])
  })
})

describe('a model is refused', () => {
  test('without a bundle', async () => {
    const judgement = await judged([])
    expect(judgement).toEqual({
      bundles: [],
      checks: [expect.objectContaining({ check: 'threshold', outcome: 'failed', code: 'SIGNER_NOT_TRUSTED' })],
      outcome: { refusal: refusal('BUNDLE_NOT_FOUND') },
    })
  })

  test('with the reason of its only bundle', async () => {
    const judgement = await judged([broken('BUNDLE_MALFORMED')])
    expect(judgement.outcome).toEqual({ refusal: refusal('BUNDLE_MALFORMED', { file: '/broken.sig' }) })
    expect(stepsOf(judgement)).toEqual([
      'signature failed BUNDLE_MALFORMED /broken.sig',
      'threshold failed SIGNER_NOT_TRUSTED',
    ])
  })

  test('with the first of several reasons', async () => {
    const { outcome } = await judged([broken('JSON_INVALID'), broken('BUNDLE_MALFORMED'), signed(STRANGER)])
    expect(outcome).toEqual({ refusal: refusal('JSON_INVALID') })
  })

  test('if a signature does not meet a requirement', async () => {
    const judgement = await judged([signed(A)], {
      demands: [{ requirement: timestamp, wanted: true }] as Rule['demands'],
    })
    expect(judgement.outcome).toEqual({
      refusal: refusal('TIMESTAMP_REQUIRED', { file: '/m.sig', signer: 'a', hint: 'The rule "r" requires it.' }),
    })
    expect(stepsOf(judgement)).toEqual([
      'signature passed  /m.sig',
      'revocation passed  /m.sig',
      'timestamp failed TIMESTAMP_REQUIRED /m.sig',
      'threshold failed SIGNER_NOT_TRUSTED',
    ])
    expect(judgement.bundles).toMatchObject([{ counted: false, signer: { name: 'a' } }])
  })

  test('if its signer is revoked', async () => {
    const judgement = await judged([signed(A)], { revoked: revokedKey(A) })
    expect(judgement.outcome).toEqual({ refusal: refusal('KEY_REVOKED') })
    expect(stepsOf(judgement)).toEqual([
      'signature passed  /m.sig',
      'revocation failed KEY_REVOKED /m.sig',
      'threshold failed SIGNER_NOT_TRUSTED',
    ])
  })

  test.each<[string, FoundBundle[], Given, string]>([
    ['an earlier reason', [broken('JSON_INVALID'), signed(A)], { revoked: revokedKey(A) }, 'KEY_REVOKED'],
    ['a later reason', [signed(A), broken('JSON_INVALID')], { revoked: revokedKey(A) }, 'KEY_REVOKED'],
    ['too few signers', [signed(A), signed(B)], { revoked: revokedKey(B), threshold: 2 }, 'KEY_REVOKED'],
  ])('for a revocation, rather than for %s', async (_, candidates, given, code) => {
    expect((await judged(candidates, given)).outcome).toEqual({ refusal: expect.objectContaining({ code }) as object })
  })

  test('for the first of two revocations', async () => {
    const revoked = { ...revokedKey(A), rootDigests: [rootOf([sha256('two')])] }
    const [one, two] = [signed(A), signed(B, TWO)]
    expect((await judged([one, two], { revoked })).outcome).toEqual({ refusal: refusal('KEY_REVOKED') })
    expect((await judged([two, one], { revoked })).outcome).toEqual({ refusal: refusal('MODEL_REVOKED') })
  })

  test.each<[string, FoundBundle[]]>([
    ['one', [signed(A)]],
    ['one, twice', [signed(A), signed(A)]],
    ['one, and a stranger', [signed(STRANGER), signed(A)]],
    ['one, beside a broken bundle', [broken('JSON_INVALID'), signed(A)]],
  ])('if two must have signed it, and only %s has', async (_, candidates) => {
    const { outcome, checks } = await judged(candidates, { threshold: 2 })
    expect(outcome).toEqual({
      refusal: refusal('SIGNATURE_THRESHOLD', {
        file: '/m.sig',
        expected: '2 of the signers of the rule "r", over the same root digest',
        found: '1',
      }),
    })
    expect(checks.at(-1)).toMatchObject({ outcome: 'failed', code: 'SIGNATURE_THRESHOLD' })
  })

  test('if two signed different models', async () => {
    const judgement = await judged([signed(A, ONE, '/a.sig'), signed(B, TWO, '/b.sig')], { threshold: 2 })
    expect(judgement.outcome).toEqual({ refusal: refusal('SIGNATURE_THRESHOLD', { file: '/a.sig', found: '1' }) })
    expect(judgement.bundles).toMatchObject([
      { counted: false, reason: { code: 'SIGNATURE_THRESHOLD', found: '1' } },
      { counted: false, reason: { found: `sha256:${rootOf([sha256('two')])}` } },
    ])
  })

  test('if two signed the same content under different names', async () => {
    const judgement = await judged([signed(A), signed(B, { 'other.bin': 'one' }, '/b.sig')], { threshold: 2 })
    expect(judgement.bundles[1]?.reason).toMatchObject({
      code: 'SIGNATURE_THRESHOLD',
      file: '/b.sig',
      found: 'the same root digest over different file names, or made in a different way',
    })
    expect(judgement.bundles[1]?.reason?.expected).toBeUndefined()
  })

  test('with the number of the largest group', async () => {
    const candidates = [signed(A, ONE, '/a.sig'), signed(B, TWO, '/b.sig'), signed(C, TWO, '/c.sig')]
    const judgement = await judged(candidates, { threshold: 3 })
    expect(judgement.outcome).toEqual({ refusal: refusal('SIGNATURE_THRESHOLD', { file: '/b.sig', found: '2' }) })
    expect(judgement.bundles).toMatchObject([
      { counted: false, reason: { expected: `the root digest sha256:${rootOf([sha256('two')])}` } },
      { counted: false, reason: { found: '2' } },
      { counted: false, reason: { found: '2' } },
    ])
  })
})

describe('judging ends', () => {
  test('when it is aborted', async () => {
    const signal = AbortSignal.abort()
    for (const candidate of [signed(A), broken('JSON_INVALID')])
      await expect(judged([candidate], { signal })).rejects.toEqual(refusal('ABORTED'))
  })

  test('with an error that is not about the bundle', async () => {
    const fault = { path: '/m.sig', error: new TypeError('fault') } as unknown as FoundBundle
    await expect(judged([fault])).rejects.toThrow(new TypeError('fault'))
  })
})

describe('the signer of a bundle', () => {
  const policy = policyOf([])
  const rule = ruleOf({ path: '**' }, { name: 'voice', signers: SIGNERS })
  const identified = (found: FoundBundle, signers = SIGNERS) => {
    if ('error' in found) throw found.error
    const occasion = { now: Date.now(), effort: new Effort() }
    return identifySigner(found.bundle, { ...rule, signers }, policy, occasion)
  }

  test('is found with the entries of the list that it meets', async () => {
    const certificates: AcceptedSigner = {
      method: 'certificate',
      root: 'x',
      subject: undefined,
      san: undefined,
      issuer: undefined,
    }
    const { signers, signature } = await identified(signed(B), [certificates, ...SIGNERS, accepted('again', B)])
    expect(signers).toEqual([2, 4])
    expect(signature.manifest.resources.map(({ name }) => name)).toEqual(['weights.bin'])
  })

  test('is refused with those that are accepted, and what the bundle claims', async () => {
    const found = `the key sha256:${STRANGER.publicKey.fingerprint}`
    await expect(identified(signed(STRANGER), SIGNERS.slice(0, 2))).rejects.toEqual(
      refusal('SIGNER_NOT_TRUSTED', {
        file: '/m.sig',
        signer: found,
        expected: `"a" (key sha256:${A.publicKey.fingerprint}) or "b" (key sha256:${B.publicKey.fingerprint})`,
        found,
        hint: expect.stringMatching(
          /^The bundle "\/m.sig" claims to be for the model "model"\. If you trust/,
        ) as string,
      }),
    )
  })

  test('is refused without a claim about the model if there is no path or name', async () => {
    const bundle = bundleOver(encoded(statementOver(ONE)), STRANGER)
    const unnamed = bundleOver(encoded({ ...statementOver(ONE), subject: [] }), STRANGER)
    for (const found of [parseBundle(bundle), parseBundle(unnamed, '/m.sig')])
      await expect(identified({ path: '/m.sig', bundle: found })).rejects.toEqual(
        refusal('SIGNER_NOT_TRUSTED', { hint: expect.stringMatching(/^If you trust this signer/) as string }),
      )
  })
})
