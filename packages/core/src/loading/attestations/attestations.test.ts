import { appendFile, copyFile, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { makeEvaluation } from '../../attestation/kinds/evaluation.ts'
import { makeVerificationSummary } from '../../attestation/kinds/verification-summary.ts'
import { explain } from '../../policy/explain.ts'
import { keySigner } from '../../signing/methods/key.ts'
import { TestSite } from '../../testing/site.ts'
import { refusal } from '../../testing/scratch.ts'
import { openVerifiedModel } from '../open-verified-model.ts'
import { attestModel, type AttestOptions } from '../operations/attest-model.ts'
import { judgeModel } from '../operations/judge-model.ts'

const SHA = 'd'.repeat(64)
const TEST_RESULT = 'https://in-toto.io/attestation/test-result/v0.1'
const REVIEW = 'https://example.org/review/v1'
const DAY = 86_400_000

let site: TestSite
let name: string
let count = 0

beforeAll(async () => {
  site = await TestSite.make()
  for (const key of ['a', 'lab', 'lab2', 'mallory']) await site.key(key)
})
afterAll(() => site.remove())
beforeEach(async () => {
  name = `m${++count}`
  await site.signedModel(name)
})

const daysAgo = (days: number) => new Date(Date.now() - days * DAY).toISOString()

function evaluation(value = 0.94, evaluatedOn = daysAgo(1), more: object = {}) {
  const result = { metric: 'accuracy', value, dataset: { name: 'test', digest: { sha256: SHA } }, ...more }
  return { type: 'evaluation', predicate: makeEvaluation({ results: [result], evaluatedOn }) }
}

function failedSummary(): object {
  const [verifier, resourceUri] = ['https://models.example/verifier', 'https://models.example/vad']
  const summarized = { uri: 'trust-policy.yaml', sha256: SHA }
  return makeVerificationSummary({ verifier, resourceUri, policy: summarized, isAccepted: false })
}

const review = (predicate: object = { approved: true }) => ({ type: REVIEW, predicate })

type Statement = Pick<AttestOptions, 'type' | 'predicate'>

async function attest(by: string, statement: Statement, options: Partial<AttestOptions> = {}, model = name) {
  const signer = await keySigner({ privateKey: site.file(`${by}.key`) })
  return attestModel(site.file(model), { signer, ...statement, ...options })
}

const LAB = { type: 'evaluation', signers: [{ key: 'lab' }] }
const ACCURATE = { ...LAB, where: [{ metric: 'accuracy', dataset: `sha256:${SHA}`, atLeast: 0.92 }] }

function policy(attestations: object[], revoked: object = {}, rule: object = {}) {
  const trustRoots = Object.fromEntries(['a', 'lab', 'lab2'].map((key) => [key, { publicKey: `${key}.pub` }]))
  const match = { path: '**' }
  const rules = [{ name: 'all', match, signers: [{ key: 'a' }], require: { attestations }, ...rule }]
  return { version: 1, trustRoots, rules, revoked }
}

const judged = (attestations: object[], revoked?: object) => site.judge(name, policy(attestations, revoked))
const claims = (model = name) => site.file(`${model}.claims.jsonl`)

describe('a rule that requires an attestation', () => {
  test('refuses a model without one, and accepts it once it has one', async () => {
    expect(await judged([LAB])).toBe('refused ATTESTATION_MISSING')
    await attest('lab', evaluation())
    expect(await judged([LAB])).toBe('accepted')
    expect(await judged([ACCURATE])).toBe('accepted')
  })

  test('refuses one by somebody else, even by a signer of the model', async () => {
    await attest('a', evaluation())
    await attest('mallory', evaluation())
    expect(await judged([LAB])).toBe('refused SIGNER_NOT_TRUSTED')
    expect(await judged([{ type: 'evaluation' }])).toBe('accepted')
  })

  test('means the signers of the rule if it names none', async () => {
    await attest('lab', evaluation())
    expect(await judged([{ type: 'evaluation' }])).toBe('refused SIGNER_NOT_TRUSTED')
  })

  test('refuses one that does not meet its conditions', async () => {
    await attest('lab', evaluation(0.9199999))
    expect(await judged([ACCURATE])).toBe('refused ATTESTATION_CONDITION')
    await attest('lab', evaluation(0.92))
    expect(await judged([ACCURATE])).toBe('accepted')
  })

  test.each([
    ['evaluation', { type: TEST_RESULT, predicate: { result: 'FAILED', configuration: [] } }],
    [TEST_RESULT, { type: TEST_RESULT, predicate: { result: 'FAILED', configuration: [] } }],
    ['verification-summary', { type: 'verification-summary', predicate: failedSummary() }],
  ])('accepts a statement that the model failed only if it asks for the result: %s', async (type, statement) => {
    const field = 'result'
    await attest('lab', statement)
    const wanted = { type, signers: [{ key: 'lab' }] }
    expect(await judged([wanted])).toBe('refused ATTESTATION_RESULT_FAILED')
    expect(await judged([{ ...wanted, where: [{ field, equals: 'PASSED' }] }])).toBe('refused ATTESTATION_CONDITION')
    expect(await judged([{ ...wanted, where: [{ field, oneOf: ['PASSED', 'FAILED'] }] }])).toBe('accepted')
    expect(await judged([{ ...wanted, where: [{ field, exists: true }] }])).toBe('accepted')
  })

  test('refuses an evaluation that failed its own test, whatever the metric that a condition asks for', async () => {
    await attest('lab', evaluation(0.94, daysAgo(1), { comparator: '>=', threshold: 0.99 }))
    const { error } = await judgeModel(site.file(name), { policy: await site.policy(policy([ACCURATE])) })
    expect(error).toMatchObject({ code: 'ATTESTATION_RESULT_FAILED', found: 'the result FAILED' })
    expect(error?.message).toContain('no condition of the rule is about the result')
    await attest('lab', evaluation())
    expect(await judged([ACCURATE])).toBe('accepted')
  })

  test('needs one attestation that meets all conditions', async () => {
    await attest('lab', evaluation(0.95, daysAgo(1), { unit: 'x' }))
    await attest('lab', evaluation(0.95, daysAgo(1), { slice: 'noisy' }))
    const where = [
      { metric: 'accuracy', slice: 'noisy', atLeast: 0.9 },
      { metric: 'accuracy', unit: 'x', atLeast: 0.9 },
    ]
    for (const one of where) expect(await judged([{ ...LAB, where: [one] }])).toBe('accepted')
    expect(await judged([{ ...LAB, where }])).toBe('refused ATTESTATION_CONDITION')
  })

  test('limits its age by the time that it states', async () => {
    await attest('lab', evaluation(1, daysAgo(91)))
    expect(await judged([{ ...LAB, maxAge: '90d' }])).toBe('refused ATTESTATION_TOO_OLD')
    expect(await judged([{ ...LAB, maxAge: '92d' }])).toBe('accepted')
    const { predicate } = evaluation()
    const late = JSON.parse(
      JSON.stringify(predicate).replace(/"evaluatedOn":"[^"]+"/, `"evaluatedOn":"${daysAgo(-2)}"`),
    )
    await attest('lab', { type: TEST_RESULT, predicate: late })
    expect(await judged([{ ...LAB, maxAge: '90d' }])).toBe('refused ATTESTATION_TOO_OLD')
    const plain = { type: TEST_RESULT, predicate: { result: 'PASSED', configuration: [] } }
    await attest('lab', plain)
    expect(await judged([{ ...LAB, maxAge: '90d' }])).toBe('refused ATTESTATION_TOO_OLD')
  })

  test('counts distinct signers', async () => {
    const two = { type: 'evaluation', signers: [{ key: 'lab' }, { key: 'lab2' }], threshold: 2 }
    await attest('lab', evaluation())
    await attest('lab', evaluation(0.95))
    const { error, attestations } = await judgeModel(site.file(name), { policy: await site.policy(policy([two])) })
    expect(error?.code).toBe('ATTESTATION_THRESHOLD')
    expect(attestations?.map(({ reason }) => reason?.code)).toEqual(['ATTESTATION_THRESHOLD', 'ATTESTATION_THRESHOLD'])
    await attest('lab2', evaluation())
    expect(await judged([two])).toBe('accepted')
  })

  test('takes any type by its URI', async () => {
    const wanted = { type: REVIEW, signers: [{ key: 'lab' }], where: [{ field: 'approved', equals: true }] }
    await attest('lab', evaluation())
    expect(await judged([wanted])).toBe('refused ATTESTATION_MISSING')
    await attest('lab', review({ approved: 'true' }))
    expect(await judged([wanted])).toBe('refused ATTESTATION_CONDITION')
    await attest('lab', review())
    expect(await judged([wanted])).toBe('accepted')
    expect(await judged([wanted, LAB])).toBe('accepted')
    expect(await judged([wanted, { type: 'provenance' }])).toBe('refused ATTESTATION_MISSING')
  })

  test('obeys revocations of signers and of single attestations', async () => {
    const { digest } = await attest('lab', evaluation())
    expect(await judged([LAB], { claims: [`sha256:${digest}`] })).toBe('refused ATTESTATION_REVOKED')
    expect(
      await judged([LAB], {
        claims: [{ digest: digest.replace(/./, (digit) => (digit === 'f' ? '0' : 'f')), reason: 'wrong dataset' }],
      }),
    ).toBe('accepted')
    expect(await judged([LAB], { keys: [{ file: 'lab.pub' }] })).toBe('refused ATTESTATION_REVOKED')
    await attest('lab', evaluation(0.95))
    expect(await judged([LAB], { claims: [digest] })).toBe('accepted')
  })

  test('is tolerated in the mode audit, which says what would be refused', async () => {
    const given = policy([LAB], {}, { mode: 'audit' })
    expect(await site.judge(name, given)).toBe('tolerated ATTESTATION_MISSING')
  })

  test('is tolerated in the mode audit even if those who attested the model are revoked, but not if its signer is', async () => {
    await attest('lab', evaluation())
    const audited = (keys: string[]) =>
      site.judge(name, policy([LAB], { keys: keys.map((key) => ({ file: `${key}.pub` })) }, { mode: 'audit' }))
    expect(await audited(['lab'])).toBe('tolerated ATTESTATION_REVOKED')
    expect(await audited(['lab', 'a'])).toBe('refused KEY_REVOKED')
  })

  test('says in the verdict that the signer of an attestation is revoked', async () => {
    await attest('lab', evaluation())
    const given = await site.policy(policy([LAB], { keys: [{ file: 'lab.pub' }] }))
    const { error, attestations } = await judgeModel(site.file(name), { policy: given })
    expect(error?.code).toBe('ATTESTATION_REVOKED')
    expect(error?.hint).toContain('is revoked by the policy')
    expect(attestations?.[0]?.reason?.code).toBe('KEY_REVOKED')
  })
})

describe('attestations are not believed', () => {
  test('about another model', async () => {
    await site.signedModel('other', { 'weights.bin': 'other' })
    await attest('lab', evaluation(), {}, 'other')
    await copyFile(claims('other'), claims())
    expect(await judged([LAB])).toBe('refused ATTESTATION_SUBJECT')
    await rm(claims('other'))
  })

  test('of one type under the name of another', async () => {
    await attest('lab', review({ result: 'PASSED', configuration: [] }))
    expect(await judged([LAB])).toBe('refused ATTESTATION_MISSING')
  })

  test('with any bit changed, or any part removed', async () => {
    await attest('lab', evaluation())
    const good = await readFile(claims(), 'utf8')
    const line = JSON.parse(good) as { dsseEnvelope: { payload: string; signatures: { sig: string }[] } }
    const outcomes = new Set<string>()
    const tried = async (text: string) => {
      await writeFile(claims(), text)
      outcomes.add(await judged([ACCURATE]))
    }
    for (let at = 0; at < good.length; at += 29)
      await tried(good.slice(0, at) + (good[at] === 'A' ? 'B' : 'A') + good.slice(at + 1))
    const payload = Buffer.from(line.dsseEnvelope.payload, 'base64')
    for (let at = 0; at < payload.length; at += 17) {
      const changed = Buffer.from(payload)
      changed[at]! ^= 1
      await tried(
        JSON.stringify({ ...line, dsseEnvelope: { ...line.dsseEnvelope, payload: changed.toString('base64') } }),
      )
    }
    await tried(good.slice(0, good.length / 2))
    await tried('')
    // An unused key hint may differ: it is not signed and means nothing.
    outcomes.delete('accepted')
    expect([...outcomes].every((outcome) => outcome.startsWith('refused '))).toBe(true)
    await writeFile(claims(), good)
    expect(await judged([ACCURATE])).toBe('accepted')
  })

  test('about a model with the same content under other names, which has the same root digest', async () => {
    const [good, bad] = ['good weights', 'bad weights']
    const digest = await site.signedModel(`x${name}`, { 'a.onnx': bad, 'model.onnx': good })
    expect(await site.signedModel(`y${name}`, { 'model.onnx': bad, 'unused.onnx': good })).toBe(digest)
    await attest('lab', evaluation(), {}, `x${name}`)
    await copyFile(claims(`x${name}`), claims(`y${name}`))
    expect(await site.judge(`x${name}`, policy([LAB]))).toBe('accepted')
    expect(await site.judge(`y${name}`, policy([LAB]))).toBe('refused ATTESTATION_SUBJECT')
  })

  test('by a key outside the period in which its trust root says that it is valid', async () => {
    await attest('lab', evaluation())
    const valid = (period: object) => {
      const given = policy([LAB])
      const lab = { publicKey: { file: 'lab.pub', ...period } }
      return site.judge(name, { ...given, trustRoots: { ...given.trustRoots, lab } })
    }
    expect(await valid({ notAfter: '2020-01-01T00:00:00Z' })).toBe('refused KEY_OUTSIDE_VALIDITY')
    expect(await valid({ notBefore: '2135-01-01T00:00:00Z' })).toBe('refused KEY_OUTSIDE_VALIDITY')
    expect(await valid({ notBefore: '2020-01-01T00:00:00Z', notAfter: '2135-01-01T00:00:00Z' })).toBe('accepted')
  })

  test('if they are signatures of models', async () => {
    await copyFile(site.file(`${name}.sig`), site.file(`${name}.sigstore.json`))
    const wanted = { type: 'https://model_signing/signature/v1.0', signers: [{ key: 'a' }] }
    expect(await judged([wanted])).toBe('refused POLICY_INVALID')
  })

  test('that do not have the form of their type', async () => {
    const predicate = { result: 'MAYBE', configuration: [] }
    await expect(attest('lab', { type: TEST_RESULT, predicate })).rejects.toEqual(refusal('ATTESTATION_MALFORMED'))
    await attest('lab', review(predicate))
  })
})

describe('attestations that no rule asks for change nothing:', () => {
  test.each([
    ['junk', 'junk\n{"a":\n\n[]\n'],
    ['a line of two megabytes', `${'x'.repeat(2_000_000)}\n`],
    ['lines without end', '{}'],
  ])('%s', async (_, text) => {
    await attest('lab', evaluation())
    await attest('mallory', evaluation(0.1))
    const good = await readFile(claims(), 'utf8')
    await writeFile(claims(), `${text}\n${good}${text}`)
    expect(await judged([ACCURATE])).toBe('accepted')
    expect(await judged([{ type: REVIEW }])).toBe('refused ATTESTATION_MISSING')
    expect(await site.judge(name, policy([LAB], {}, { require: {} }))).toBe('accepted')
  })

  test('more than a thousand of them refuse only where one is required', async () => {
    await attest('lab', evaluation())
    await appendFile(claims(), '{}\n'.repeat(999))
    expect(await judged([LAB])).toBe('accepted')
    await appendFile(claims(), '{}\n')
    expect(await judged([LAB])).toBe('refused ATTESTATIONS_TOO_MANY')
    expect(await site.judge(name, policy([LAB], {}, { require: {} }))).toBe('accepted')
  })

  test.each([
    ['empty lines', '\n', 'ATTESTATIONS_TOO_MANY'],
    ['white space', ' ', 'ATTESTATION_MISSING'],
  ])('%s do not hold up the event loop', async (_, character, code) => {
    await writeFile(claims(), Buffer.alloc(64 * 1024 * 1024, character))
    const delay = monitorEventLoopDelay({ resolution: 1 })
    delay.enable()
    expect(await judged([LAB])).toBe(`refused ${code}`)
    delay.disable()
    // Scanned in one turn, they took up to 19 seconds.
    expect(delay.max / 1e6).toBeLessThan(2_000)
  })

  test('copies of one are judged once', async () => {
    await attest('lab', evaluation(0.5))
    const line = await readFile(claims(), 'utf8')
    await appendFile(claims(), line.repeat(400))
    const verdict = await judgeModel(site.file(name), { policy: await site.policy(policy([ACCURATE])) })
    expect(verdict.error?.code).toBe('ATTESTATION_CONDITION')
    expect(verdict.attestations).toHaveLength(1)
  })

  test('a copy that names another signer or lacks its proof does not take the place of the original', async () => {
    await attest('lab', evaluation())
    const line = await readFile(claims(), 'utf8')
    const bundle = JSON.parse(line) as { verificationMaterial: object; dsseEnvelope: { signatures: object[] } }
    const others = { publicKey: { hint: 'f'.repeat(64) } }
    const copies = [
      { ...bundle, verificationMaterial: { ...bundle.verificationMaterial, ...others } },
      {
        ...bundle,
        verificationMaterial: {
          ...bundle.verificationMaterial,
          timestampVerificationData: { rfc3161Timestamps: [{ signedTimestamp: 'AAAA' }] },
        },
      },
    ]
    await writeFile(claims(), `${copies.map((copy) => JSON.stringify(copy)).join('\n')}\n${line}`)
    expect(await judged([ACCURATE])).toBe('accepted')
  })

  test('nor does one whose payload has the first bytes of the signature', async () => {
    await attest('lab', evaluation())
    const line = await readFile(claims(), 'utf8')
    const bundle = JSON.parse(line) as { dsseEnvelope: { payload: string; signatures: { sig: string }[] } }
    const payload = Buffer.from(bundle.dsseEnvelope.payload, 'base64')
    const signature = Buffer.from(bundle.dsseEnvelope.signatures[0]?.sig ?? '', 'base64')
    const moved = Buffer.concat([payload, signature.subarray(0, 1)]).toString('base64')
    const rest = [{ sig: signature.subarray(1).toString('base64'), keyid: '' }]
    const dsseEnvelope = { ...bundle.dsseEnvelope, payload: moved, signatures: rest }
    await writeFile(claims(), `${JSON.stringify({ ...bundle, dsseEnvelope })}\n${line}`)
    expect(await judged([ACCURATE])).toBe('accepted')
  })

  test('a thousand forged ones, each judged by several requirements', async () => {
    await attest('lab', evaluation())
    const line = await readFile(claims(), 'utf8')
    const bundle = JSON.parse(line) as { dsseEnvelope: { payload: string } }
    const statement = JSON.parse(Buffer.from(bundle.dsseEnvelope.payload, 'base64').toString()) as object
    const forged = Array.from({ length: 999 }, (_, at) => {
      const subject = [{ name: `${at}`, digest: (statement as { subject: { digest: object }[] }).subject[0]?.digest }]
      const payload = Buffer.from(JSON.stringify({ ...statement, subject })).toString('base64')
      return JSON.stringify({ ...bundle, dsseEnvelope: { ...bundle.dsseEnvelope, payload } })
    })
    await writeFile(claims(), `${forged.join('\n')}\n${line}`)
    expect(await judged([ACCURATE, LAB, { ...LAB, maxAge: '90d' }])).toBe('accepted')
  })

  test('too many files beside the model refuse only where one is required', async () => {
    for (let i = 0; i <= 100; i++) await writeFile(site.file(`${name}.${i}.sigstore.json`), '')
    expect(await judged([LAB])).toBe('refused ATTESTATIONS_TOO_MANY')
    expect(await site.judge(name, policy([LAB], {}, { require: {} }))).toBe('accepted')
  })

  test('a file that is too large refuses only where one is required', async () => {
    await writeFile(claims(), Buffer.alloc(65 * 1024 * 1024, ' '))
    expect(await judged([LAB])).toBe('refused ATTESTATIONS_TOO_LARGE')
    expect(await site.judge(name, policy([LAB], {}, { require: {} }))).toBe('accepted')
  })
})

describe('attestations are found', () => {
  test('in claims.jsonl in the directory, which is not part of the signed model', async () => {
    await attest('lab', evaluation(), { output: site.file(name, 'claims.jsonl') })
    expect(await judged([ACCURATE])).toBe('accepted')
    expect(await site.judge(name, policy([LAB], {}, { require: {} }))).toBe('accepted')
    const model = await openVerifiedModel(site.file(name), { policy: await site.policy(policy([LAB])) })
    expect(model.files).not.toContain('claims.jsonl')
    await expect(model.read('claims.jsonl')).rejects.toEqual(refusal('FILE_NOT_SIGNED'))
    await model.close()
    await symlink('weights.bin', site.file(name, 'claims.jsonl.link'))
    expect(await judged([LAB])).toBe('refused SYMLINK_REFUSED')
  })

  test('in no directory or link of that name', async () => {
    await site.write(`${name}/claims.jsonl/evil.py`, 'import os')
    expect(await site.judge(name, policy([LAB], {}, { require: {} }))).toBe('refused FILE_UNSIGNED')
  })

  test('not in a file of the model that is signed: that is content', async () => {
    await attest('lab', evaluation())
    await appendFile(claims(), '{"content":true}\n')
    await rename(claims(), site.file(name, 'claims.jsonl'))
    await site.sign(name, 'a')
    await attest('lab', review())
    await rm(claims())
    expect(await judged([LAB])).toBe('refused ATTESTATION_MISSING')
    await writeFile(site.file(name, 'claims.jsonl'), 'changed')
    expect(await site.judge(name, policy([LAB], {}, { require: {} }))).toBe('refused FILE_MISMATCH')
  })

  test('one by one in *.sigstore.json beside the model', async () => {
    await attest('lab', evaluation())
    await rename(claims(), site.file(`${name}.eval.sigstore.json`))
    expect(await judged([ACCURATE])).toBe('accepted')
    await rename(site.file(`${name}.eval.sigstore.json`), site.file(`x${name}.sigstore.json`))
    expect(await judged([ACCURATE])).toBe('refused ATTESTATION_MISSING')
  })

  test('for a single file, and for a file of a signed directory', async () => {
    await attest('lab', evaluation())
    expect(await site.judge(`${name}/weights.bin`, policy([LAB]))).toBe('refused BUNDLE_NOT_FOUND')
    await site.write(`single-${name}.onnx`, 'weights')
    await site.sign(`single-${name}.onnx`, 'a')
    await attest('lab', evaluation(), {}, `single-${name}.onnx`)
    expect(await site.judge(`single-${name}.onnx`, policy([ACCURATE]))).toBe('accepted')
  })
})

describe('a refusal says', () => {
  const refused = async (attestations: object[], revoked?: object) => {
    const given = await site.policy(policy(attestations, revoked))
    const { error } = await judgeModel(site.file(name), { policy: given })
    if (!error) throw new Error('accepted')
    return error
  }

  test('what was found, without quotes around numbers, and how many others do not count', async () => {
    await attest('lab', evaluation(0.5))
    const one = await refused([ACCURATE])
    expect(one.message).toMatch(/^Cannot accept the model: an evaluation that the rule requires does not count \(/)
    expect(one.message).toContain(
      `(${JSON.stringify(`${claims()}:1`)}): it does not meet a condition. Expected the metric "accuracy" with`,
    )
    expect(one).toMatchObject({ code: 'ATTESTATION_CONDITION', file: `${claims()}:1`, found: '0.5' })
    expect(one.hint).toContain('or correct the condition in the policy. The rule "all" requires it')
    await attest('mallory', evaluation())
    expect((await refused([ACCURATE])).message).toContain(`${JSON.stringify(`${claims()}:1`)} and 1 other)`)
    await attest('lab', evaluation(0.6))
    expect((await refused([ACCURATE])).message).toContain(`${JSON.stringify(`${claims()}:1`)} and 2 others)`)
    // A type that is not required is none of them.
    await attest('lab', review())
    expect((await refused([ACCURATE])).message).toContain('and 2 others)')
  })

  test('where there are values in place of one that is missing', async () => {
    await attest('lab', evaluation(0.95, daysAgo(1), { slice: 'noisy' }))
    expect(await refused([ACCURATE])).toMatchObject({
      found: `no such value, but values with the dataset sha256:${SHA} for the slice "noisy"`,
    })
  })

  test.each([
    ['ATTESTATION_TOO_OLD', { maxAge: '1h' }, {}, 'states a recent time, or change "maxAge"'],
    ['ATTESTATION_THRESHOLD', { threshold: 2 }, {}, 'Have further signers that the rule names attest the model.'],
    ['SIGNER_NOT_TRUSTED', { signers: [{ key: 'a' }], threshold: 1 }, {}, 'add it to the "signers" of the attestation'],
    [
      'ATTESTATION_REVOKED',
      {},
      { keys: [{ file: 'lab.pub' }] },
      'about the signer of the attestation, not about that of the model',
    ],
  ])('what to do about %s', async (code, demand, revoked, words) => {
    await attest('lab', evaluation())
    const signers = [{ key: 'lab' }, { key: 'lab2' }]
    const error = await refused([{ type: 'evaluation', signers, ...demand }], revoked)
    expect(error.code).toBe(code)
    expect(error.hint).toContain(words)
    expect(error.hint).toContain('The rule "all" requires it')
    expect(error.message).not.toContain('Do not load the model')
  })

  test('what to do about an attestation that is revoked, or about another model', async () => {
    const { digest } = await attest('lab', evaluation())
    const revoked = await refused([LAB], { claims: [digest] })
    expect(revoked.code).toBe('ATTESTATION_REVOKED')
    expect(revoked.hint).toContain('Do not rely on the attestation. Ask its signer for another one.')
    await site.signedModel(`other-${name}`, { 'weights.bin': 'other' })
    await copyFile(claims(), claims(`other-${name}`))
    const error = await judgeModel(site.file(`other-${name}`), { policy: await site.policy(policy([LAB])) })
    expect(error.error?.code).toBe('ATTESTATION_SUBJECT')
    expect(error.error?.hint).toContain('Get the attestation of this version, or attest this model.')
    expect(error.attestations?.[0]?.reason?.hint).toContain('or attest this model.')
  })
})

describe('the URI of a kind', () => {
  const URI_LAB = { ...LAB, type: TEST_RESULT }

  test('means the kind, with its metrics, fields and time', async () => {
    await attest('lab', evaluation(0.5))
    const accurate = { ...URI_LAB, where: ACCURATE.where, maxAge: '90d' }
    expect(await judged([accurate])).toBe('refused ATTESTATION_CONDITION')
    await attest('lab', evaluation())
    expect(await judged([accurate])).toBe('accepted')
    expect(await judged([{ ...accurate, maxAge: '1h' }])).toBe('refused ATTESTATION_TOO_OLD')
    expect(await judged([{ ...URI_LAB, where: [{ field: 'configuration', exists: true }] }])).toBe(
      'refused POLICY_INVALID',
    )
  })

  test.each([
    [REVIEW, { maxAge: '90d' }, 'where statements of this type state their time is not known'],
    [REVIEW, { where: [{ metric: 'm', atLeast: 1 }] }, 'the metrics of this type are not known'],
    ['provenance', { where: [{ metric: 'm', atLeast: 1 }] }, 'a provenance statement has no metrics'],
    ['https://cyclonedx.org/bom', { maxAge: '90d' }, 'name the kind instead: model-card or data-card'],
    [
      'https://cyclonedx.org/bom/v1.6',
      { where: [{ metric: 'm', atLeast: 1 }] },
      'name the kind instead: model-card or data-card',
    ],
  ])('is refused with what is not known of it: %s', async (type, demand, words) => {
    const { error } = await judgeModel(site.file(name), { policy: await site.policy(policy([{ type, ...demand }])) })
    expect(error?.code).toBe('POLICY_INVALID')
    expect(error?.message).toContain(words)
  })
})

test('the verdict says which attestation by whom satisfied what, and why others did not', async () => {
  await attest('mallory', evaluation())
  await attest('lab', evaluation(0.5))
  const { digest } = await attest('lab', evaluation())
  await appendFile(claims(), 'junk\n')
  const verdict = await judgeModel(site.file(name), { policy: await site.policy(policy([ACCURATE])) })
  expect(verdict.decision).toBe('accepted')
  expect(verdict.checks.filter(({ check }) => check === 'attestations')).toMatchObject([{ outcome: 'passed' }])
  expect(verdict.attestations).toMatchObject([
    { path: `${claims()}:1`, type: TEST_RESULT, kind: 'evaluation', reason: { code: 'SIGNER_NOT_TRUSTED' } },
    { path: `${claims()}:2`, signer: { method: 'key', name: 'lab' }, reason: { code: 'ATTESTATION_CONDITION' } },
    { path: `${claims()}:3`, digest, signer: { method: 'key', name: 'lab' }, satisfies: ['evaluation'] },
    { path: `${claims()}:4`, reason: { code: 'JSON_INVALID' } },
  ])
  expect(verdict.attestations?.[2]?.reason).toBeUndefined()
  const [, told = ''] = /^Attestations:\n(.*)$/ms.exec(explain(verdict)) ?? []
  expect(told).toMatch(/:1" is of the kind evaluation\. It does not count: SIGNER_NOT_TRUSTED/)
  expect(told).toMatch(/:2" is of the kind evaluation, signed by .* It does not count: ATTESTATION_CONDITION/)
  expect(told).toMatch(
    /:3" is of the kind evaluation, signed by .*, under the trust root "lab"\. It satisfies the rule: evaluation\./,
  )
  expect(told).toMatch(/:4" cannot be read\. It does not count: JSON_INVALID/)
})

test('a loaded model answers with what satisfied its rule, and only with that', async () => {
  await attest('lab', evaluation())
  await attest('lab', review())
  await attest('mallory', evaluation(0.1))
  const wanted = [ACCURATE, { type: REVIEW, signers: [{ key: 'lab' }] }]
  const model = await openVerifiedModel(site.file(name), { policy: await site.policy(policy(wanted)) })
  if (model.decision !== 'accepted') throw new Error(model.decision)
  const [found, ...more] = model.attestations('evaluation')
  expect(more).toEqual([])
  expect(found?.signer).toMatchObject({ name: 'lab' })
  expect(found?.content.results).toMatchObject([{ metric: 'accuracy', value: 0.94 }])
  expect(model.attestations(REVIEW)).toMatchObject([{ type: REVIEW, content: { approved: true } }])
  expect(model.attestations('provenance')).toEqual([])
  expect(model.attestations('https://example.org/other/v1')).toEqual([])
  for (const misspelt of ['evaluations', 'Evaluation', '', 'toString'])
    expect(() => model.attestations(misspelt as 'evaluation')).toThrow(
      refusal('INVALID_ARGUMENT', { expected: expect.stringContaining('evaluation, model-card') as string }),
    )
  // @ts-expect-error It is neither a kind nor a URI.
  expect(() => model.attestations('evaluations')).toThrow('Did you mean "evaluation"?')
  // What one caller changes does not concern the next.
  Object.assign(found?.content ?? {}, { results: [] })
  expect(model.attestations('evaluation')[0]?.content.results).toHaveLength(1)
  await model.close()
})
