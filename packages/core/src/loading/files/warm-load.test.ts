import { chmodSync, linkSync, readdirSync, renameSync, writeFileSync } from 'node:fs'
import { readFile, rm, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { explain } from '../../policy/explain.ts'
import { GRANULARITY } from '../../receipts/receipt.ts'
import { ReceiptStore } from '../../receipts/store.ts'
import { scratch } from '../../testing/scratch.ts'
import { judgeModel } from '../operations/judge-model.ts'
import type { OpenOptions } from '../open-options.ts'
import { openVerifiedModel } from '../open-verified-model.ts'
import { TestSite } from '../../testing/site.ts'

const FILES = { 'config.json': '{}', 'sub/weights.bin': 'the weights' }
const MODELS = ['plain', 'written', 'replaced', 'exposed', 'twice', 'resigned', 'changing', 'linked', 'future']

let site: TestSite
let store: string
let rootDigest: string

beforeAll(async () => {
  site = await TestSite.make()
  await site.key('a')
  for (const model of MODELS) {
    await site.model(model, FILES)
    for (const name of Object.keys(FILES)) chmodSync(site.file(model, name), 0o644)
    rootDigest = await site.sign(model, 'a')
  }
  // Waits until the files are old enough that no change could be hidden.
  await setTimeout(GRANULARITY + 100)
})
afterAll(() => site.remove())
beforeEach(() => {
  const cache = scratch()
  store = join(cache, 'receipts')
  vi.stubEnv('MODELSEAL_CACHE', cache)
  return () => vi.unstubAllEnvs()
})

function policyText(receipts: unknown, further: object = {}) {
  return {
    version: 1,
    trustRoots: { a: { publicKey: 'a.pub' } },
    rules: [{ name: 'all', match: { path: '**' }, signers: [{ key: 'a' }], require: { receipts } }],
    ...further,
  }
}

async function load(model: string, receipts: unknown = 'allow', further: object = {}, options: OpenOptions = {}) {
  const verdict = await judgeModel(site.file(model), {
    ...options,
    policy: await site.policy(policyText(receipts, further)),
  })
  return {
    hashed: verdict.hashed,
    bytes: verdict.bytes,
    decision: verdict.decision,
    code: verdict.error?.code,
    why: verdict.checks.at(-1)?.reason ?? '',
    files: verdict.files,
  }
}

const CHANGED = 'No receipt was left: files that changed within 2 s before they were hashed'

/** A receipt counts when it is old enough that no change could be hidden. */
async function loadTwice(model: string, between: () => unknown = () => {}, second: Parameters<typeof load> = [model]) {
  const first = await load(model)
  expect(first).toMatchObject({ decision: 'accepted', hashed: 'files', bytes: 13 })
  expect(first.why).toContain('A receipt was left')
  expect(first.why).toContain('no receipt')
  expect(first.why).not.toContain('hashed again')
  await between()
  const now = Date.now()
  const clock = vi.spyOn(Date, 'now').mockReturnValue(now + GRANULARITY)
  try {
    return await load(...second)
  } finally {
    clock.mockRestore()
  }
}

describe.runIf(process.platform === 'linux')('a model that was hashed before', () => {
  test('is judged again, but not hashed again', async () => {
    const second = await loadTwice('plain')
    expect(second).toMatchObject({
      decision: 'accepted',
      hashed: 'receipt',
      bytes: 0,
      files: { checked: 2, signed: 2 },
    })
    expect(second.why).toContain('none was hashed again')
  })

  test('is hashed by default', async () => {
    expect(await loadTwice('plain', undefined, ['plain', undefined])).toMatchObject({ hashed: 'receipt' })
    await rm(store, { recursive: true })
    expect(await loadTwice('plain', undefined, ['plain', 'never'])).toMatchObject({ hashed: 'files', bytes: 13 })
    await rm(store, { recursive: true })
    const unasked = await judgeModel(site.file('plain'), {
      policy: await site.policy({
        ...policyText('never'),
        rules: [{ name: 'all', match: { path: '**' }, signers: [{ key: 'a' }] }],
      }),
    })
    expect(unasked).toMatchObject({ decision: 'accepted', hashed: 'files' })
    expect(() => readdirSync(store)).toThrow('ENOENT')
  })

  test('is hashed as far as it is loaded if only loaded files count', async () => {
    const rules = [
      { name: 'r', match: { path: '**' }, signers: [{ key: 'a' }], require: { receipts: 'allow', files: 'loaded' } },
    ]
    expect(await load('plain', 'allow', { rules })).toMatchObject({ hashed: 'files', files: { checked: 0, signed: 2 } })
    expect(() => readdirSync(store)).toThrow('ENOENT')
    const second = await loadTwice('plain', undefined, ['plain', 'allow', { rules }])
    expect(second).toMatchObject({ hashed: 'files', files: { checked: 0, signed: 2 } })
  })

  test('is refused when it has since been revoked', async () => {
    const further = { revoked: { rootDigests: [rootDigest] } }
    const second = await loadTwice('plain', undefined, ['plain', 'allow', further])
    expect(second).toMatchObject({ decision: 'refused', code: 'MODEL_REVOKED' })
  })

  test('is hashed and refused when one of its files has since been revoked by another algorithm', async () => {
    const { createHash } = await import('node:crypto')
    const digest = createHash('blake2b512').update('the weights').digest('hex')
    const further = { revoked: { fileDigests: [`blake2b:${digest}`] } }
    expect(await loadTwice('plain', undefined, ['plain', 'allow', further])).toMatchObject({ code: 'FILE_REVOKED' })
  })

  test('is hashed when the receipt is older than the rule allows', async () => {
    const clock = vi.spyOn(Date, 'now')
    try {
      const begun = Date.now()
      clock.mockReturnValue(begun)
      await load('plain')
      clock.mockReturnValue(begun + 3_600_000)
      expect((await load('plain', { maxAge: '1h' })).hashed).toBe('receipt')
      clock.mockReturnValue(begun + 3_600_001)
      expect((await load('plain', { maxAge: '2h' })).hashed).toBe('receipt')
      const older = await load('plain', { maxAge: '1h' })
      expect(older).toMatchObject({ hashed: 'files', why: expect.stringContaining('older') as string })
    } finally {
      clock.mockRestore()
    }
  })

  test('is hashed when the receipt is too recent to rule out a change', async () => {
    await load('plain')
    expect(await load('plain')).toMatchObject({ hashed: 'files', bytes: 13 })
  })

  test('becomes warm although it is loaded again and again', async () => {
    const clock = vi.spyOn(Date, 'now')
    try {
      const begun = Date.now()
      for (const [after, hashed] of [
        [0, 'files'],
        [GRANULARITY / 2, 'files'],
        [GRANULARITY - 1, 'files'],
        [GRANULARITY, 'receipt'],
      ] as const) {
        clock.mockReturnValue(begun + after)
        expect(await load('plain')).toMatchObject({ hashed })
      }
    } finally {
      clock.mockRestore()
    }
  })

  test('leaves another receipt if the first one is from the future', async () => {
    const clock = vi.spyOn(Date, 'now')
    try {
      clock.mockReturnValue(Date.now() + 3_600_000)
      await load('plain')
      clock.mockRestore()
      expect((await load('plain')).why).toContain('A receipt was left')
    } finally {
      clock.mockRestore()
    }
  })

  test('is refused when a file was written to and its old mtime restored', async () => {
    const path = site.file('written', 'sub', 'weights.bin')
    const second = await loadTwice('written', async () => {
      const { stat } = await import('node:fs/promises')
      const { atime, mtime } = await stat(path)
      writeFileSync(path, 'THE WEIGHTS')
      await utimes(path, atime, mtime)
    })
    expect(second).toMatchObject({ decision: 'refused', code: 'FILE_MISMATCH' })
  })

  test('is refused when a file was replaced', async () => {
    const second = await loadTwice('replaced', () => {
      writeFileSync(site.file('evil'), 'THE WEIGHTS', { mode: 0o644 })
      renameSync(site.file('evil'), site.file('replaced', 'sub', 'weights.bin'))
    })
    expect(second).toMatchObject({ decision: 'refused', code: 'FILE_MISMATCH' })
  })

  test('is hashed when others can now write to it, and leaves no receipt', async () => {
    const second = await loadTwice('exposed', () => chmodSync(site.file('exposed', 'config.json'), 0o666))
    expect(second).toMatchObject({ decision: 'accepted', hashed: 'files' })
    expect(second.why).toContain('No receipt was left: files that others could write to (the mode 0666)')
  })

  test('is hashed when a file was linked or renamed, which changes its state', async () => {
    const second = await loadTwice('linked', () => linkSync(site.file('linked', 'config.json'), site.file('elsewhere')))
    expect(second).toMatchObject({ decision: 'accepted', hashed: 'files' })
    expect(second.why).toContain('files changed')
  })

  test('is refused if looking for a receipt, or leaving one, has a fault of its own', async () => {
    const real = ReceiptStore.open.bind(ReceiptStore)
    const opening = vi.spyOn(ReceiptStore, 'open')
    onTestFinished(() => opening.mockRestore())
    const broken = () => {
      throw new Error('broken')
    }
    opening.mockImplementationOnce(broken)
    expect(await load('plain')).toMatchObject({ code: 'INTERNAL' })
    opening.mockImplementationOnce(real).mockImplementationOnce(broken)
    expect(await load('plain')).toMatchObject({ code: 'INTERNAL' })
  })

  test('is hashed when it has a new bundle', async () => {
    const second = await loadTwice('resigned', () => site.sign('resigned', 'a'))
    expect(second).toMatchObject({ decision: 'accepted', hashed: 'files' })
  })

  test('is hashed when the store is no longer private, and says so', async () => {
    const second = await loadTwice('plain', () => chmodSync(store, 0o755))
    expect(second).toMatchObject({ decision: 'accepted', hashed: 'files' })
    expect(second.why).toContain('no usable store of receipts: the mode 0755')
    expect(second.why).toContain('No receipt was left: the mode 0755')
  })

  test('is hashed when the receipt is damaged or for another model', async () => {
    const damaged = await loadTwice('plain', () => writeFileSync(join(store, readdirSync(store)[0] ?? ''), '{}'))
    expect(damaged).toMatchObject({ decision: 'accepted', hashed: 'files' })
    const forged = await loadTwice('twice', async () => {
      for (const name of readdirSync(store)) {
        const path = join(store, name)
        writeFileSync(path, (await readFile(path, 'utf8')).replaceAll('/twice"', '/plain"'))
      }
    })
    expect(forged).toMatchObject({ decision: 'accepted', hashed: 'files' })
  })

  test('is hashed when the receipt is for another manifest', async () => {
    const second = await loadTwice('plain', async () => {
      const path = join(store, readdirSync(store)[0] ?? '')
      writeFileSync(path, (await readFile(path, 'utf8')).replaceAll(rootDigest, '0'.repeat(64)))
    })
    expect(second).toMatchObject({ hashed: 'files', why: expect.stringContaining('another manifest') as string })
  })

  test('leaves no receipt when a file changed just before it was hashed', async () => {
    writeFileSync(site.file('changing', 'config.json'), '{}')
    const first = await load('changing')
    expect(first.why).toContain(CHANGED)
  })

  test('leaves no receipt either when hashing such a file takes long', async () => {
    writeFileSync(site.file('changing', 'config.json'), '{}')
    const clock = vi.spyOn(Date, 'now').mockReturnValue(Date.now())
    const onProgress = () => clock.mockReturnValue(Date.now() + 2 * GRANULARITY)
    const first = await load('changing', 'allow', {}, { onProgress })
    clock.mockRestore()
    expect(first.why).toContain(CHANGED)
  })

  test('still reads and hashes files that a runtime wants in memory', async () => {
    await loadTwice('plain')
    const clock = vi.spyOn(Date, 'now').mockReturnValue(Date.now() + GRANULARITY)
    const policy = await site.policy(policyText('allow'))
    await using model = await openVerifiedModel(site.file('plain'), { policy }, (reader) => reader.read('config.json'))
    clock.mockRestore()
    expect(model.verdict).toMatchObject({ hashed: 'receipt', isolation: ['memory'], files: { checked: 2 }, bytes: 2 })
    expect(model.verdict.checks.at(-1)?.reason).toContain('2 bytes were hashed again')
    expect(explain(model.verdict)).toContain(
      'have not changed since they were hashed (receipt); 2 bytes were hashed again',
    )
    expect(Buffer.from(model.gathered).toString()).toBe('{}')
  })

  test('is handed out in place without hashing, but copied only with hashing', async () => {
    await loadTwice('plain')
    const clock = vi.spyOn(Date, 'now').mockReturnValue(Date.now() + GRANULARITY)
    const policy = await site.policy(policyText('allow'))
    for (const isolation of ['in-place', 'copy'] as const) {
      await using model = await openVerifiedModel(site.file('plain'), { policy, isolation }, (r) => r.place(r.files))
      const bytes = isolation === 'copy' ? 13 : 0
      expect(model.verdict).toMatchObject({ hashed: 'receipt', isolation: [isolation], files: { checked: 2 }, bytes })
      expect(await readFile(model.gathered.path('sub/weights.bin'), 'utf8')).toBe('the weights')
    }
    clock.mockRestore()
  })
})
