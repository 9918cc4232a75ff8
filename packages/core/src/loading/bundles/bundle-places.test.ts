import { createPrivateKey, createPublicKey } from 'node:crypto'
import { mkdirSync, renameSync, symlinkSync } from 'node:fs'
import { copyFile, readFile } from 'node:fs/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { judgeModel } from '../operations/judge-model.ts'
import { bundleOver, encoded, statementOver } from '../../testing/bundles.ts'
import { TestSite } from '../../testing/site.ts'
import { publicKeyOf } from '../../x509/public-key.ts'

let site: TestSite
let name: string
let count = 0

beforeAll(async () => {
  site = await TestSite.make()
  for (const key of ['a', 'b', 'c']) await site.key(key)
})
afterAll(() => site.remove())
beforeEach(async () => {
  name = `m${++count}`
  await site.model(name, { 'config.json': '{}', 'sub/weights.bin': 'weights' })
})

function policy(rule: object = {}, ...others: object[]) {
  const given = { name: 'all', match: { path: '**' }, signers: [{ key: 'a' }], ...rule }
  const trustRoots = Object.fromEntries(['a', 'b', 'c'].map((key) => [key, { publicKey: `${key}.pub` }]))
  return { version: 1, trustRoots, rules: [...others, given] }
}

/** Signs the model into a bundle outside it, and moves the bundle inside. */
async function signed(key: string, place: string, options: object = {}): Promise<void> {
  const signature = await site.write(`made-${key}.sig`, '')
  await site.sign(name, key, `made-${key}.sig`, options)
  await site.write(`${name}/${place}`, await readFile(signature))
}

const judged = (model: string, rule: object = {}, ...others: object[]) => site.judge(model, policy(rule, ...others))

describe.each(['skill.oms.sig', 'vad.oms.sig'])('a bundle at DIR/%s', (place) => {
  test('is found for the directory and for its files', async () => {
    await signed('a', place)
    expect(await judged(name)).toBe('accepted')
    expect(await judged(`${name}/sub/weights.bin`)).toBe('accepted')
    const { model } = await judgeModel(site.file(name, 'sub/weights.bin'), { policy: await site.policy(policy()) })
    expect(model.entry).toBe('sub/weights.bin')
  })

  test('counts only if there is none in the usual places', async () => {
    await signed('b', 'model.sig')
    await signed('a', place)
    expect(await judged(name)).toBe('refused SIGNER_NOT_TRUSTED')
    expect(await judged(name, { signers: [{ key: 'b' }] })).toBe('refused FILE_UNSIGNED')
  })

  test('is content if another signature covers it', async () => {
    await signed('a', place)
    // modelseal leaves the bundle out; other programs sign it.
    const inner = await readFile(site.file(name, place), 'utf8')
    const contents = { 'config.json': '{}', 'sub/weights.bin': 'weights', [place]: inner }
    const statement = statementOver(Object.fromEntries(Object.entries(contents).sort()))
    const privateKey = createPrivateKey(await readFile(site.file('b.key')))
    const pair = { privateKey, publicKey: publicKeyOf(createPublicKey(privateKey)) }
    await site.write(`${name}/model.sig`, bundleOver(encoded(statement), pair))
    expect(await judged(name, { signers: [{ key: 'b' }] })).toBe('accepted')
    await site.write(`${name}/${place}`, 'changed')
    expect(await judged(name, { signers: [{ key: 'b' }] })).toBe('refused FILE_MISMATCH')
  })

  test('is judged like any other: by its signer, and over all files', async () => {
    await signed('b', place)
    expect(await judged(name)).toBe('refused SIGNER_NOT_TRUSTED')
    expect(await judged(name, { signers: [{ key: 'b' }] })).toBe('accepted')
    await site.write(`${name}/sub/more`, '')
    expect(await judged(name, { signers: [{ key: 'b' }] })).toBe('refused FILE_UNSIGNED')
  })
})

test('a file is not a bundle just because of its name', async () => {
  await signed('a', 'skill.oms.sig')
  await site.write(`${name}/evil.oms.sig`, 'import os')
  expect(await judged(name)).toBe('refused FILE_UNSIGNED')
})

test('the bundle of a single file is found beside it', async () => {
  const signature = await site.write('one.sig', '')
  await site.sign(`${name}/sub/weights.bin`, 'a', 'one.sig')
  await site.write(`${name}/sub/weights.oms.sig`, await readFile(signature))
  await site.write(`${name}/sub/other`, '')
  expect(await judged(`${name}/sub/weights.bin`)).toBe('accepted')
  expect(await judged(`${name}/sub/other`)).toBe('refused BUNDLE_NOT_FOUND')
})

describe('a rule that says where bundles are', () => {
  const inside = { bundle: 'signatures/*.sig' }

  test('restricts the search to these places, for the directory and for its files', async () => {
    await signed('a', 'signatures/a.sig')
    expect(await judged(name, inside)).toBe('accepted')
    expect(await judged(`${name}/config.json`, inside)).toBe('accepted')
    expect(await judged(`${name}/sub/weights.bin`, inside)).toBe('accepted')
    expect(await judged(name)).toBe('refused BUNDLE_NOT_FOUND')
    expect(await judged(name, { bundle: ['none.sig', '{x,signatures}/**'] })).toBe('accepted')
    expect(await judged(name, { bundle: ['none.sig', 'signatures/a.sig'] })).toBe('accepted')
    expect(await judged(name, { bundle: 'signatures/b*.sig' })).toBe('refused BUNDLE_NOT_FOUND')
    expect(await judged(name, { bundle: '*.sig' })).toBe('refused BUNDLE_NOT_FOUND')
    renameSync(site.file(name, 'signatures'), site.file(name, 'moved'))
    await copyFile(site.file(name, 'moved/a.sig'), site.file(`${name}.sig`))
    expect(await judged(name, inside)).toBe('refused BUNDLE_NOT_FOUND')
  })

  test('counts them towards the threshold', async () => {
    const two = { signers: [{ key: 'a' }, { key: 'b' }], threshold: 2, ...inside }
    const options = { ignorePaths: ['signatures'] }
    await signed('a', 'signatures/a.sig', options)
    expect(await judged(name, two)).toBe('refused SIGNATURE_THRESHOLD')
    await signed('b', 'signatures/b.sig', options)
    expect(await judged(name, two)).toBe('accepted')
    await signed('c', 'signatures/c.sig', options)
    expect(await judged(name, two)).toBe('accepted')
  })

  test('counts a key once, whatever key hints its bundles contain', async () => {
    const two = { signers: [{ key: 'a' }, { key: 'b' }], threshold: 2, ...inside }
    await signed('a', 'signatures/a.sig', { ignorePaths: ['signatures'] })
    const bundle = JSON.parse(await readFile(site.file(name, 'signatures/a.sig'), 'utf8'))
    const rawBytes = Buffer.from(await readFile(site.file('a.pub'))).toString('base64')
    for (const hint of ['a', 'another', bundle.verificationMaterial.publicKey.hint]) {
      bundle.verificationMaterial.publicKey = { hint, rawBytes }
      await site.write(`${name}/signatures/a-${hint.slice(0, 4)}.sig`, JSON.stringify(bundle))
    }
    expect(await judged(name, two)).toBe('refused SIGNATURE_THRESHOLD')
    expect(await judged(name, { ...two, threshold: 1 })).toBe('accepted')
  })

  test('does not follow links to directories or treat a directory as a bundle', async () => {
    await signed('a', 'signatures/a.sig')
    renameSync(site.file(name, 'signatures'), site.file(`${name}-outside`))
    symlinkSync(`../${name}-outside`, site.file(name, 'signatures'))
    for (const bundle of ['signatures/*.sig', 'signatures/a.sig', '**/a.sig', '*/a.sig'])
      expect(await judged(name, { bundle })).toBe('refused BUNDLE_NOT_FOUND')
    mkdirSync(site.file(name, 'a.sig'))
    expect(await judged(name, { bundle: 'a.sig' })).toBe('refused BUNDLE_NOT_FOUND')
  })

  test('is refused if there are too many entries', async () => {
    const files = Object.fromEntries(Array.from({ length: 1_100 }, (_, index) => [`d${index}/f`, '']))
    await site.model(name, files)
    expect(await judged(name, { bundle: '**/*.sig' })).toBe('refused MODEL_TOO_LARGE')
    expect(await judged(name, { bundle: '*.sig' })).toBe('refused BUNDLE_NOT_FOUND')
  })

  test('is overridden by the option of a call', async () => {
    await signed('a', 'signatures/a.sig')
    renameSync(site.file(name, 'signatures/a.sig'), site.file(`${name}-a.sig`))
    const options = { signature: site.file(`${name}-a.sig`) }
    expect(await site.judge(name, policy(inside), options)).toBe('accepted')
  })

  test.each(['../a.sig', '/a.sig', './a.sig', 'a/../b.sig', 'signatures/', '', []])(
    'is refused with %j',
    async (bundle) => {
      expect(await judged(name, { bundle })).toBe('refused POLICY_INVALID')
    },
  )

  test('does not hide a name from an earlier rule', async () => {
    // Otherwise, moving the bundle would bypass the rule for this model.
    await signed('b', 'signatures/b.sig')
    const strict = { name: 'strict', match: { name: `${name}*` }, signers: [{ key: 'a' }] }
    const loose = { signers: [{ key: 'b' }], ...inside }
    expect(await judged(name, loose)).toBe('accepted')
    expect(await judged(name, loose, strict)).toBe('refused BUNDLE_NOT_FOUND')
    expect(await judged(name, loose, { ...strict, bundle: 'signatures/b.sig' })).toBe('refused SIGNER_NOT_TRUSTED')
  })
})
