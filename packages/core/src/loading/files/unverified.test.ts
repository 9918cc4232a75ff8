import { readFile, rm, symlink } from 'node:fs/promises'
import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { UnverifiedBundle } from '../../bundle/bundle.ts'
import { Revocations } from '../../policy/revocations/revocations.ts'
import { revokedByClaim } from '../../policy/revocations/revoked-signer.ts'
import { openVerifiedModel } from '../open-verified-model.ts'
import { TestSite } from '../../testing/site.ts'
import { LinkedFiles } from './linked-files.ts'

let site: TestSite
const decoder = new TextDecoder()

beforeAll(async () => {
  site = await TestSite.make()
  await site.key('a')
  await site.key('b')
  await site.changedModel('changed')
  await site.model('unsigned')
  await site.write('single/model.onnx', 'onnx')
  await site.write('single/model.data', 'data')
  await site.write('blobs/1', 'linked')
  await site.model('linked')
  await symlink(site.file('blobs/1'), site.file('linked/blob.bin'))
})
afterAll(() => site.remove())

const policy = (mode: 'audit' | 'skip', revoked = {}) =>
  site.policy({
    version: 1,
    trustRoots: { a: { publicKey: 'a.pub' } },
    rules: [
      {
        name: 'rule',
        match: { path: ['changed', 'unsigned', 'linked', 'single/**'] },
        mode,
        ...(mode === 'audit' ? { signers: [{ key: 'a' }] } : { reason: 'made by the tests' }),
      },
    ],
    revoked,
  })

test('serves the bytes on disk in the mode audit, and reports what would have been refused', async () => {
  let gathered = 0
  const model = await openVerifiedModel(site.file('changed'), { policy: await policy('audit') }, async (reader) => {
    gathered++
    return decoder.decode(await reader.read('weights.bin'))
  })
  expect([model.gathered, gathered, model.manifest]).toEqual(['CHANGED', 2, undefined])
  expect(model.verdict).toMatchObject({
    decision: 'tolerated',
    wouldRefuse: { code: 'FILE_MISMATCH', file: 'weights.bin' },
  })
  expect(model.verdict.error).toBeUndefined()
  expect(decoder.decode(await model.read('weights.bin'))).toBe('CHANGED')
})

test('serves a model without a bundle, and one that consists of links, in the mode audit', async () => {
  const model = await openVerifiedModel(site.file('unsigned'), { policy: await policy('audit') })
  expect(model.verdict.wouldRefuse?.code).toBe('BUNDLE_NOT_FOUND')
  const linked = await openVerifiedModel(site.file('linked'), { policy: await policy('audit') })
  expect([...linked.files].sort()).toEqual(['blob.bin', 'config.json', 'weights.bin'])
  expect(decoder.decode(await linked.read('blob.bin'))).toBe('linked')
})

test('serves a single file and the files beside it in the mode skip, with the reason in the verdict', async () => {
  const model = await openVerifiedModel(
    site.file('single/model.onnx'),
    { policy: await policy('skip') },
    async (reader) => {
      expect([reader.entry, reader.files]).toEqual(['model.onnx', ['model.onnx']])
      return decoder.decode(await reader.read('model.data'))
    },
  )
  expect(model.gathered).toBe('data')
  expect(model.verdict).toMatchObject({ decision: 'skipped', mode: 'skip', reason: 'made by the tests' })
})

test('never serves a path outside the model', async () => {
  const model = await openVerifiedModel(site.file('unsigned'), { policy: await policy('skip') })
  await expect(model.read('../a.pub')).rejects.toMatchObject({ code: 'PATH_ESCAPES' })
  await expect(model.read('/etc/hostname')).rejects.toMatchObject({ code: 'PATH_ESCAPES' })
  await expect(model.read('nothing')).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' })
})

test('refuses a revoked file when it is read, in both modes', async () => {
  const revoked = { fileDigests: [createHash('sha256').update('CHANGED').digest('hex')] }
  for (const mode of ['audit', 'skip'] as const) {
    const loading = openVerifiedModel(site.file('changed'), { policy: await policy(mode, revoked) }, (reader) =>
      reader.read('weights.bin'),
    )
    await expect(loading).rejects.toMatchObject({ code: 'FILE_REVOKED', file: 'weights.bin' })
    const model = await openVerifiedModel(site.file('changed'), { policy: await policy(mode, revoked) })
    await expect(model.read('weights.bin')).rejects.toMatchObject({ code: 'FILE_REVOKED' })
    await expect(model.read('config.json')).resolves.toBeDefined()
  }
})

test('refuses a model whose bundle claims a revoked key, even if its signature is invalid', async () => {
  await site.model('forged')
  const fingerprint = await site.key('stolen')
  await site.sign('forged', 'stolen')
  const revoked = { keys: [fingerprint] }
  const text = { version: 1, rules: [{ name: 'r', match: { path: 'forged' }, mode: 'skip', reason: 'r' }] }
  expect(await site.judge('forged', text)).toBe('skipped')
  expect(await site.judge('forged', { ...text, revoked })).toBe('refused KEY_REVOKED')
})

describe('of 33 bundles, a model that is loaded unverified', () => {
  const text = (match: string) => ({
    version: 1,
    rules: [{ name: 'r', match: { path: match }, mode: 'skip', reason: 'r' }],
  })
  const KEY = `sha256:${'a'.repeat(64)}`

  beforeAll(async () => {
    for (const model of ['full', 'few']) await site.model(model)
    for (let i = 0; i < 32; i++) await site.write(`full.${100 + i}.sig`, '{}')
    for (let i = 0; i < 31; i++) await site.write(`few.${100 + i}.sig`, '{}')
  })

  test.each([
    ['beside it', 'full', 'full.zzz.sig'],
    ['beside it, named after the model', 'full', 'full.sig'],
  ])('is refused if a key is revoked, because the last bundle is not read: %s', async (_, model, another) => {
    await site.write(another, '{}')
    const last = { ...text(model), revoked: { keys: [KEY] } }
    expect(await site.judge(model, last)).toBe('refused BUNDLES_TOO_MANY')
    expect(
      await site.judge(model, {
        ...last,
        rules: [{ ...last.rules[0], mode: 'audit', signers: [{ key: 'a' }] }],
        trustRoots: { a: { publicKey: 'a.pub' } },
      }),
    ).toBe('refused BUNDLES_TOO_MANY')
    expect(await site.judge(model, text(model))).toBe('skipped')
    await rm(site.file(another))
  })

  test('is loaded if all 32 are read', async () => {
    await site.write('few.zzz.sig', '{}')
    expect(await site.judge('few', { ...text('few'), revoked: { keys: [KEY] } })).toBe('skipped')
  })
})

describe('if root digests are revoked, a model that is loaded unverified', () => {
  let revoked: object
  beforeAll(async () => {
    await site.model('old')
    revoked = { rootDigests: [await site.sign('old', 'a', 'old/model.sig')] }
  })
  const text = (mode: 'audit' | 'skip') => ({
    version: 1,
    trustRoots: { b: { publicKey: 'b.pub' } },
    rules: [
      {
        name: 'r',
        match: { path: ['old', 'old/**', 'linked'] },
        mode,
        ...(mode === 'audit' ? { signers: [{ key: 'b' }] } : { reason: 'r' }),
      },
    ],
    revoked,
  })

  test.each(['audit', 'skip'] as const)('is refused in the mode %s, whatever happened to its bundle', async (mode) => {
    await site.sign('old', 'a', 'old/model.sig')
    expect(await site.judge('old', text(mode))).toBe('refused MODEL_REVOKED')
    const signature = await site.write('old/model.sig', 'junk')
    expect(await site.judge('old', text(mode))).toBe('refused MODEL_REVOKED')
    // An explicit bundle is not ignored in the mode skip; in the mode audit, a junk bundle is what is tolerated.
    const given = await site.judge('old', text(mode), { signature })
    expect(given).toBe(mode === 'audit' ? 'refused MODEL_REVOKED' : 'refused JSON_INVALID')
    const inside = await site.write('old/other.sig', 'junk')
    const other = await site.judge('old', text(mode), { signature: inside })
    expect(other).toBe(mode === 'audit' ? 'refused MODEL_REVOKED' : 'refused JSON_INVALID')
    await rm(inside)
    await rm(signature)
    expect(await site.judge('old', text(mode))).toBe('refused MODEL_REVOKED')
  })

  test.each(['audit', 'skip'] as const)(
    'is refused in the mode %s if its root digest cannot be computed',
    async (mode) => {
      expect(await site.judge('linked', text(mode))).toBe('refused SYMLINK_REFUSED')
    },
  )
})

test('serves a file that is a link in both modes, like links in a directory', async () => {
  await symlink(site.file('blobs/1'), site.file('single/link.onnx'))
  for (const mode of ['audit', 'skip'] as const) {
    const model = await openVerifiedModel(site.file('single/link.onnx'), { policy: await policy(mode) })
    expect(decoder.decode(await model.read('link.onnx'))).toBe('linked')
  }
})

test('parses no certificate in a bundle if no revocation concerns its signers', async () => {
  const none = {
    material: {
      method: 'certificate',
      get certificates(): never {
        throw new Error('looked at')
      },
    },
  } as unknown as UnverifiedBundle
  const revocations = new Revocations()
  expect(await revokedByClaim(none, revocations, undefined)).toBeUndefined()
  revocations.add({ keys: ['0'.repeat(64)] })
  await expect(revokedByClaim(none, revocations, undefined)).rejects.toThrow('looked at')
})

test('stops reading and listing when the caller aborts', async () => {
  const controller = new AbortController()
  const { signal } = controller
  const model = await openVerifiedModel(site.file('unsigned'), { policy: await policy('skip'), signal })
  controller.abort()
  await expect(model.read('weights.bin')).rejects.toMatchObject({ code: 'ABORTED' })
  const judge = { hashTypes: [], check: () => {} }
  const files = LinkedFiles.open({ root: site.file('unsigned'), names: undefined }, judge, { signal })
  await expect(files).rejects.toMatchObject({ code: 'ABORTED' })
})

test('refuses a missing model in every mode', async () => {
  for (const mode of ['audit', 'skip'] as const)
    await expect(
      openVerifiedModel(site.file('single/none.onnx'), { policy: await policy(mode) }),
    ).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' })
})

test('never tolerates a failure of the loader', async () => {
  const loading = openVerifiedModel(site.file('unsigned'), { policy: await policy('audit') }, () =>
    Promise.reject(new Error('broken')),
  )
  await expect(loading).rejects.toMatchObject({ code: 'INTERNAL', verdict: { decision: 'refused' } })
})

test('refuses a format that no policy can name', async () => {
  const format = 'ONNX' as never
  await expect(
    openVerifiedModel(site.file('unsigned'), { policy: await policy('skip'), format }),
  ).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
})

describe('the option audit', () => {
  const enforcing = (revoked = {}) =>
    site.policy({
      version: 1,
      trustRoots: { a: { publicKey: 'a.pub' } },
      rules: [{ name: 'rule', match: { path: 'changed' }, signers: [{ key: 'a' }] }],
      revoked,
    })

  test.each([
    ['changed', 'FILE_MISMATCH'],
    ['unsigned', 'POLICY_NO_MATCH'],
  ])('loads %s, which a rule in the mode enforce refuses', async (name, code) => {
    const model = await openVerifiedModel(site.file(name), { policy: await enforcing(), audit: true })
    expect(model.verdict).toMatchObject({ decision: 'tolerated', wouldRefuse: { code } })
    await expect(openVerifiedModel(site.file(name), { policy: await enforcing() })).rejects.toMatchObject({ code })
  })

  test('loads a model if there is no policy', async () => {
    const model = await openVerifiedModel(site.file('unsigned'), { policy: site.file('none.yaml'), audit: true })
    expect(model.verdict).toMatchObject({ decision: 'tolerated', wouldRefuse: { code: 'POLICY_NOT_FOUND' } })
  })

  test('applies revocations even if no rule matches', async () => {
    const digest = createHash('sha256').update('weights').digest('hex')
    const policy = await enforcing({ fileDigests: [`sha256:${digest}`] })
    await expect(
      openVerifiedModel(site.file('unsigned'), { policy, audit: true }, (reader) => reader.read('weights.bin')),
    ).rejects.toMatchObject({ code: 'FILE_REVOKED' })
  })
})

test.each(['audit', 'skip'] as const)('refuses a bundle that is too complex to read, in the mode %s', async (mode) => {
  const name = `complex-${mode}`
  await site.model(name)
  await site.sign(name, 'a')
  const bundle = JSON.parse(await readFile(site.file(`${name}.sig`), 'utf8')) as { verificationMaterial: object }
  Object.assign(bundle.verificationMaterial, { tlogEntries: Array(20_000).fill({}) })
  await site.write(`${name}.sig`, JSON.stringify(bundle))
  const rules = [{ name: 'r', match: { path: name }, mode, ...(mode === 'skip' ? { reason: 'a test' } : {}) }]
  const signers = mode === 'audit' ? [{ key: 'a' }] : undefined
  const judged = (revoked: object) =>
    site.judge(name, {
      version: 1,
      trustRoots: { a: { publicKey: 'a.pub' } },
      rules: rules.map((rule) => ({ ...rule, ...(signers ? { signers } : {}) })),
      revoked,
    })
  expect(await judged({ keys: ['0'.repeat(64)] })).toBe('refused JSON_TOO_COMPLEX')
  expect(await judged({})).toBe(mode === 'audit' ? 'tolerated JSON_TOO_COMPLEX' : 'skipped')
})
