import { copyFile, readFile, rm, writeFile } from 'node:fs/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { makeEvaluation } from '../../attestation/kinds/evaluation.ts'
import { modelIdentity } from '../../manifest/identity.ts'
import { digestModel } from '../../signing/digest-model.ts'
import { keySigner } from '../../signing/methods/key.ts'
import { refusal } from '../../testing/scratch.ts'
import { TestSite } from '../../testing/site.ts'
import { openVerifiedModel } from '../open-verified-model.ts'
import { attestModel, type AttestOptions } from './attest-model.ts'

const REVIEW = 'https://example.org/review/v1'
const TEST_RESULT = 'https://in-toto.io/attestation/test-result/v0.1'
const LAB = { type: 'evaluation', signers: [{ key: 'lab' }] }

let site: TestSite
let name: string
let count = 0

beforeAll(async () => {
  site = await TestSite.make()
  for (const key of ['a', 'lab']) await site.key(key)
})
afterAll(() => site.remove())
beforeEach(async () => {
  name = `m${++count}`
  await site.signedModel(name)
})

type Statement = Pick<AttestOptions, 'type' | 'predicate'>

function evaluation(): Statement {
  const evaluatedOn = '2026-11-01T00:00:00Z'
  return {
    type: 'evaluation',
    predicate: makeEvaluation({ results: [{ metric: 'accuracy', value: 0.94 }], evaluatedOn }),
  }
}

const review = (predicate: object = { approved: true }): Statement => ({ type: REVIEW, predicate })

async function attest(by: string, statement: Statement, options: Partial<AttestOptions> = {}, model = name) {
  const signer = await keySigner({ privateKey: site.file(`${by}.key`) })
  return attestModel(site.file(model), { signer, ...statement, ...options })
}

/** A policy whose rule requires attestations. */
function policy(...attestations: object[]) {
  const trustRoots = { a: { publicKey: 'a.pub' }, lab: { publicKey: 'lab.pub' } }
  const require = attestations.length > 0 ? { attestations } : {}
  return { version: 1, trustRoots, rules: [{ name: 'all', match: { path: '**' }, signers: [{ key: 'a' }], require }] }
}

const judged = (attestations: object[]) => site.judge(name, policy(...attestations))
const claims = (model = name) => site.file(`${model}.claims.jsonl`)

/** The identity of a model that was verified. */
async function identityOf(model: string, signature?: string) {
  const given = await site.policy(policy())
  await using opened = await openVerifiedModel(site.file(model), { policy: given, signature })
  return modelIdentity(opened.manifest ?? expect.fail('not accepted'))
}

describe('attesting', () => {
  test('hashes the files first, unless the caller takes the word of the bundle', async () => {
    expect(await attest('lab', evaluation())).toMatchObject({ checked: { files: 2 }, name, output: claims() })
    await site.write(`${name}/weights.bin`, 'changed')
    await expect(attest('lab', evaluation())).rejects.toEqual(refusal('FILE_MISMATCH'))
    const { checked } = await attest('lab', evaluation(), { check: false })
    expect(checked).toBeUndefined()
  })

  test.each([
    ['a file of the model', (model: string) => `${model}/weights.bin`],
    ['a key', () => 'lab.key'],
    ['lines of something else', (model: string) => `${model}.other.jsonl`],
    ['a file of one attestation', (model: string) => `${model}.one.sigstore.json`],
  ])('adds nothing to %s', async (_, place) => {
    const output = site.file(place(name))
    await attest('lab', evaluation(), { output: site.file(`${name}.one.sigstore.json`) })
    await site.write(`${name}.other.jsonl`, '{}\n')
    const before = await readFile(output)
    await expect(attest('lab', evaluation(), { output })).rejects.toEqual(refusal('FILE_WRITE_FAILED'))
    expect(await readFile(output)).toEqual(before)
  })

  test('of a verified model refuses a bundle for the same content under other names, even if there are such files', async () => {
    await site.signedModel(name, { 'a.onnx': 'bad', 'model.onnx': 'good' })
    for (const file of ['config.json', 'weights.bin']) await rm(site.file(name, file))
    await site.sign(name, 'a')
    const verified = await identityOf(name)
    await site.signedModel(`other-${name}`, { 'model.onnx': 'bad', 'unused.onnx': 'good' })
    await site.write(`${name}/unused.onnx`, 'unsigned')
    await copyFile(site.file(`other-${name}.sig`), site.file(`${name}.sig`))
    const trusting = attest('lab', evaluation(), { check: false, modelIdentity: verified })
    await expect(trusting).rejects.toEqual(refusal('ROOT_DIGEST_MISMATCH'))
  })

  test('does not take the bundle itself for a file that is not signed', async () => {
    const signature = site.file(name, 'model.sig')
    await copyFile(site.file(`${name}.sig`), signature)
    expect(await attest('lab', evaluation(), { signature })).toMatchObject({ checked: { files: 2 } })
    await site.sign(name, 'a', `${name}/model.sig`, { ignorePaths: ['model.sig'] })
    expect(await attest('lab', evaluation(), { signature })).not.toHaveProperty('ignored')
  })

  test('says what the bundle of the model leaves out', async () => {
    await site.write(`${name}/modeling.py`, 'import os')
    await site.write(`${name}/.gitignore`, '')
    await site.sign(name, 'a', `${name}.sig`, { ignorePaths: ['modeling.py', 'gone'] })
    expect((await attest('lab', evaluation())).ignored).toEqual(['modeling.py'])
    expect((await attest('lab', evaluation(), { check: false })).ignored).toBeUndefined()
  })

  test('refuses a type that is not known', async () => {
    await expect(attest('lab', { ...review(), type: 'evaluations' })).rejects.toEqual(
      refusal('INVALID_ARGUMENT', { hint: expect.stringContaining('evaluation') as string }),
    )
  })

  test('needs a bundle', async () => {
    await rm(site.file(`${name}.sig`))
    await expect(attest('lab', evaluation())).rejects.toEqual(
      refusal('BUNDLE_NOT_FOUND', { message: expect.stringContaining('Cannot attest the model') as string }),
    )
  })

  test('needs a bundle of the model that the caller verified', async () => {
    const first = await identityOf(name)
    const { rootDigest } = await attest('lab', evaluation())
    await site.write(`${name}/more.bin`, 'more')
    await site.sign(name, 'a', `${name}.b.sig`)
    const signature = site.file(`${name}.b.sig`)
    const other = await attest('lab', evaluation(), { signature })
    expect(other.rootDigest).not.toBe(rootDigest)
    for (const [modelIdentity, expected] of [
      [first, rootDigest],
      [await identityOf(name, signature), other.rootDigest],
    ] as const)
      expect(await attest('lab', review(), { modelIdentity, check: false })).toMatchObject({ rootDigest: expected })
    const before = await readFile(claims(), 'utf8')
    await expect(attest('lab', review(), { modelIdentity: 'f'.repeat(64), check: false })).rejects.toEqual(
      refusal('ROOT_DIGEST_MISMATCH', { found: expect.stringMatching(/^[0-9a-f]{64}, [0-9a-f]{64}$/) as string }),
    )
    expect(await readFile(claims(), 'utf8')).toBe(before)
  })
})

describe('attestations inside a directory', () => {
  const inside = () => site.file(name, 'claims.jsonl')

  test('can be added to a model that was signed for that, and are not part of its next signature', async () => {
    await site.sign(name, 'a', undefined, { claimsInside: true })
    const first = await attest('lab', evaluation())
    expect(first.output).toBe(inside())
    expect(await judged([LAB])).toBe('accepted')
    // Signing again leaves them out without being told.
    await site.sign(name, 'a')
    const second = await attest('lab', review())
    expect(second).toMatchObject({ output: inside(), rootDigest: first.rootDigest })
    expect(await judged([LAB, { type: REVIEW, signers: [{ key: 'lab' }] }])).toBe('accepted')
    expect((await digestModel(site.file(name))).bundles).toEqual({
      names: ['claims.jsonl'],
      rootDigest: first.rootDigest,
    })
  })

  test.each([
    ['other content', () => '{"claim":"water damage"}\n'],
    ['an empty file', () => '\n'],
    ['attestations and something else', (good: string) => `${good}{"claim":"water damage"}\n`],
  ])('are told from %s, which is signed', async (_, text) => {
    const { rootDigest } = await attest('lab', evaluation())
    await site.write(`${name}/claims.jsonl`, text(await readFile(claims(), 'utf8')))
    await site.sign(name, 'a')
    const again = await attest('lab', review())
    expect(again.rootDigest).not.toBe(rootDigest)
    expect(again.output).toBe(claims())
  })

  test('need a directory', async () => {
    await site.write('single.onnx', 'weights')
    await expect(site.sign('single.onnx', 'a', undefined, { claimsInside: true })).rejects.toEqual(
      refusal('INVALID_ARGUMENT'),
    )
  })
})

describe('attesting refuses', () => {
  test.each<[string, object]>([
    ['a misspelt option', { ouput: 'x' }],
    ['a predicate that is none', { predicate: 'text' }],
    ['a type that is none', { type: 1 }],
    ['an invalid address of a timestamp authority', { timestampAuthority: 'not a URL' }],
    ['to check or not to check', { check: 'yes' }],
  ])('%s', async (_, options) => {
    await expect(attest('lab', evaluation(), options)).rejects.toEqual(refusal('INVALID_ARGUMENT'))
  })

  test('an option that it does not know, and says whose', async () => {
    await expect(attest('lab', evaluation(), { ouput: 'x' } as never)).rejects.toEqual(
      refusal('INVALID_ARGUMENT', { message: expect.stringContaining('for attestModel') as string }),
    )
    await expect(attest('lab', evaluation(), { from: 'croissant.json' } as never)).rejects.toEqual(
      refusal('INVALID_ARGUMENT', { message: expect.stringContaining('attestModel: from') as string }),
    )
  })

  test('an invalid address of a timestamp authority before it reads the model', async () => {
    await expect(attest('lab', evaluation(), { timestampAuthority: 'not a URL' }, 'missing')).rejects.toEqual(
      refusal('INVALID_ARGUMENT'),
    )
  })

  test('a statement that its readers would refuse', async () => {
    await expect(
      attest('lab', { type: TEST_RESULT, predicate: { result: 'MAYBE', configuration: [] } }),
    ).rejects.toEqual(refusal('ATTESTATION_MALFORMED'))
    await expect(attest('lab', review({ text: 'x'.repeat(4 * 1024 * 1024) }))).rejects.toEqual(
      refusal('JSON_TOO_COMPLEX'),
    )
    await expect(readFile(claims())).rejects.toHaveProperty('code', 'ENOENT')
  })

  test('a bundle that cannot be read, unless another one is of the verified model', async () => {
    const identity = await identityOf(name)
    await copyFile(site.file(`${name}.sig`), site.file(`${name}.b.sig`))
    await writeFile(site.file(`${name}.sig`), '{}')
    await expect(attest('lab', evaluation())).rejects.toEqual(refusal('BUNDLE_MALFORMED'))
    expect(await attest('lab', evaluation(), { modelIdentity: identity })).toMatchObject({ added: true })
    const other = 'f'.repeat(64)
    await expect(attest('lab', evaluation(), { modelIdentity: other })).rejects.toEqual(
      refusal('ROOT_DIGEST_MISMATCH', { expected: `the model identity ${other}`, found: identity }),
    )
  })

  test('a model that has changed, without a warning that this copy may be dangerous', async () => {
    await site.write(`${name}/weights.bin`, 'changed')
    await expect(attest('lab', evaluation())).rejects.toEqual(
      refusal('FILE_MISMATCH', {
        file: 'weights.bin',
        hint: expect.stringContaining('its files are not those that were signed') as string,
      }),
    )
    await expect(attest('lab', evaluation())).rejects.toEqual(
      refusal('FILE_MISMATCH', { hint: expect.not.stringContaining('Do not load') as string }),
    )
    await expect(attest('lab', evaluation())).rejects.toEqual(
      refusal('FILE_MISMATCH', { hint: expect.stringContaining('sign the model again first') as string }),
    )
  })

  test('to go on after a fault of the caller, which is no mismatch', async () => {
    const onProgress = () => {
      throw new RangeError('a fault')
    }
    await expect(attest('lab', evaluation(), { onProgress })).rejects.toEqual(
      refusal('INVALID_ARGUMENT', { hint: expect.stringMatching(/^Catch errors/) as string }),
    )
  })

  test('to be continued once it is abandoned', async () => {
    await expect(attest('lab', evaluation(), { signal: AbortSignal.abort() })).rejects.toEqual(refusal('ABORTED'))
  })
})

test('a single file is attested, whose bundle leaves nothing out', async () => {
  const single = `${name}.onnx`
  await site.write(single, 'weights')
  await site.sign(single, 'a')
  const attested = await attest('lab', evaluation(), {}, single)
  expect(attested).toMatchObject({ output: claims(single), checked: { files: 1, bytes: 7 }, readByLoads: true })
  expect(attested).not.toHaveProperty('ignored')
})

test('what was attested is told, and where loads look for it', async () => {
  const first = await attest('lab', review())
  expect(first).toEqual({
    output: claims(),
    added: true,
    readByLoads: true,
    digest: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
    rootDigest: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
    name,
    predicateType: REVIEW,
    checked: { files: 2, bytes: 9 },
    signer: expect.objectContaining({ description: expect.stringContaining('key sha256:') as string }) as object,
  })
  expect(await attest('lab', review())).toMatchObject({ added: false, readByLoads: true, digest: first.digest })
  const output = site.file(`unrelated-${name}.jsonl`)
  expect(await attest('lab', review(), { output })).toMatchObject({ added: true, readByLoads: false, place: claims() })
  const seen: number[] = []
  await attest('lab', evaluation(), { onProgress: (bytes) => void seen.push(bytes) })
  expect(seen.at(-1)).toBe(9)
})
