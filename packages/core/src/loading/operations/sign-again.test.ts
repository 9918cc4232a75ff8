import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { utimes, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { ModelSealError } from '../../errors.ts'
import { hashingElsewhere } from '../../hashing/elsewhere.ts'
import { GRANULARITY } from '../../receipts/receipt.ts'
import { ReceiptStore } from '../../receipts/store.ts'
import { keySigner } from '../../signing/methods/key.ts'
import { digestModel, type DigestOptions } from '../../signing/digest-model.ts'
import { refusal, scratch } from '../../testing/scratch.ts'
import { signModelAgain } from './sign-again.ts'
import { TestSite } from '../../testing/site.ts'
import { verifyModel } from './verify-model.ts'

const FILES = { 'README.md': 'about', 'sub/weights.bin': 'the weights' }
const MODELS = ['plain', 'changed', 'hidden', 'exposed', 'others', 'grown']

let site: TestSite
let clock: number

beforeAll(async () => {
  site = await TestSite.make()
  await site.key('a')
  await site.key('b')
  for (const model of MODELS) {
    await site.model(model, FILES)
    for (const name of Object.keys(FILES)) chmodSync(site.file(model, name), 0o644)
  }
  await setTimeout(GRANULARITY + 100)
})
afterAll(() => site.remove())
beforeEach(() => {
  vi.stubEnv('MODELSEAL_CACHE', scratch())
  clock = 0
  const now = Date.now.bind(Date)
  const mocked = vi.spyOn(Date, 'now').mockImplementation(() => now() + clock)
  return () => {
    mocked.mockRestore()
    vi.unstubAllEnvs()
  }
})

/** Signs with `a`, then lets time pass. */
async function sign(model: string, previousKey?: string, options: DigestOptions = {}) {
  const signature = site.file(`${model}.sig`)
  const verifier = { publicKey: site.file(`${previousKey}.pub`) }
  const signed = await signModelAgain(site.file(model), {
    ...options,
    signer: await keySigner({ privateKey: site.file('a.key') }),
    signature,
    previous: previousKey === undefined ? undefined : { signature, verifier },
  })
  clock += GRANULARITY
  // Whatever was reused, the signature covers the model as it is.
  const { hashType, shardSize } = options
  expect(signed.rootDigest).toBe((await digestModel(site.file(model), { hashType, shardSize })).rootDigest)
  await verifyModel(site.file(model), { signature, verifier: { publicKey: site.file('a.pub') } })
  return signed
}

describe.runIf(process.platform === 'linux')('signing again', () => {
  test('hashes nothing of an unchanged model', async () => {
    expect(await sign('plain')).toMatchObject({ reused: { files: 0, reason: 'no previous signature was given' } })
    expect(await sign('plain', 'a')).toMatchObject({
      reused: { files: 2, bytes: 16 },
      remembered: { files: 2 },
    })
    expect(await sign('plain', 'a', { shardSize: 4 })).toMatchObject({ reused: { files: 0, bytes: 0 } })
    expect(await sign('plain', 'a', { shardSize: 4 })).toMatchObject({ reused: { files: 2, bytes: 16 } })
    expect(await sign('plain', 'a', { hashType: 'blake2b' })).toMatchObject({ reused: { files: 0 } })
  })

  test('hashes everything for another serialization, even with the same number of digests', async () => {
    await sign('plain')
    expect(await sign('plain', 'a', { hashType: 'blake2b' })).toMatchObject({ reused: { files: 0 } })
    await sign('plain', 'a', { shardSize: 4 })
    expect(await sign('plain', 'a', { shardSize: 5 })).toMatchObject({ reused: { files: 0 } })
    expect(await sign('plain', 'a', { shardSize: 5 })).toMatchObject({ reused: { files: 2 } })
  })

  test('leaves no receipt of files that another process hashed', async () => {
    const signer = await keySigner({ privateKey: site.file('a.key') })
    await site.model('elsewhere', { 'weights.bin': 'weights' })
    const signed = await hashingElsewhere(
      ({ files }) => Promise.resolve(files.map(({ wanted }) => wanted.map(() => 'a'.repeat(64)))),
      () => signModelAgain(site.file('elsewhere'), { signer }),
    )
    expect(signed.remembered).toEqual({ files: 0, reason: 'the files were hashed elsewhere' })
  })

  test('hashes changed and new files', async () => {
    await sign('changed')
    await setTimeout(GRANULARITY)
    clock = 0
    writeFileSync(site.file('changed', 'README.md'), 'ABOUT')
    writeFileSync(site.file('changed', 'new'), 'new', { mode: 0o644 })
    // Files that had just changed are not in the receipt; the others are.
    const reason = 'files that changed within 2 s before they were hashed'
    expect(await sign('changed', 'a')).toMatchObject({
      files: 3,
      reused: { files: 1, bytes: 11 },
      remembered: { files: 1, reason },
    })
    expect(await sign('changed', 'a')).toMatchObject({ files: 3, reused: { files: 1, bytes: 11 } })
  })

  test('hashes a file with the old size and mtime but different bytes', async () => {
    await sign('hidden')
    const path = site.file('hidden', 'sub', 'weights.bin')
    const { atime, mtime } = await stat(path)
    writeFileSync(path, 'THE WEIGHTS')
    await utimes(path, atime, mtime)
    expect(await sign('hidden', 'a')).toMatchObject({ reused: { files: 1, bytes: 5 } })
  })

  test('says so if no receipt is stored', async () => {
    const { listReceipts } = await import('../../receipts/receipts.ts')
    await site.model('fresh', FILES)
    const reason = 'files that changed within 2 s before they were hashed'
    expect(await sign('fresh')).toMatchObject({ remembered: { files: 0, reason } })
    expect(await listReceipts()).toEqual([])
  })

  test('hashes files that others can write to', async () => {
    await sign('exposed')
    chmodSync(site.file('exposed', 'sub', 'weights.bin'), 0o666)
    expect(await sign('exposed', 'a')).toMatchObject({ reused: { files: 1, bytes: 5 } })
  })

  test("reuses nothing from someone else's signature, or from a modified one", async () => {
    await sign('others')
    await expect(sign('others', 'b')).rejects.toEqual(refusal('KEY_MISMATCH'))
    const bundle = JSON.parse(readFileSync(site.file('others.sig'), 'utf8')) as {
      dsseEnvelope: { payload: string }
    }
    const payload = Buffer.from(bundle.dsseEnvelope.payload, 'base64').toString()
    bundle.dsseEnvelope.payload = Buffer.from(payload.replace('README.md', 'README.ME')).toString('base64')
    writeFileSync(site.file('others.sig'), JSON.stringify(bundle))
    await expect(sign('others', 'a')).rejects.toEqual(refusal('SIGNATURE_INVALID'))
  })

  test('hashes everything if there is no receipt, or the store is not private', async () => {
    await sign('plain')
    vi.stubEnv('MODELSEAL_CACHE', scratch())
    const reason = 'there is no receipt of the previous signature'
    expect(await sign('plain', 'a')).toMatchObject({ reused: { files: 0, reason } })
    chmodSync(join(process.env['MODELSEAL_CACHE'] ?? '', 'receipts'), 0o755)
    expect(await sign('plain', 'a')).toMatchObject({
      reused: { files: 0, reason: 'the store of receipts cannot be used: the mode 0755' },
      remembered: { files: 0, reason: 'the store of receipts cannot be used: the mode 0755' },
    })
  })

  test('does not make old digests look recent', async () => {
    const { listReceipts } = await import('../../receipts/receipts.ts')
    await sign('grown')
    const [first] = await listReceipts()
    writeFileSync(site.file('grown', 'new'), 'new', { mode: 0o644 })
    clock += 3_600_000
    await sign('grown', 'a')
    const after = await listReceipts()
    expect(after).toHaveLength(2)
    expect(after.map(({ hashedAt }) => hashedAt)).toEqual([first?.hashedAt, first?.hashedAt])
  })

  test('makes digests look as recent as they are if none was reused', async () => {
    const { listReceipts } = await import('../../receipts/receipts.ts')
    await sign('plain')
    const [first] = await listReceipts()
    clock += 3_600_000
    expect(await sign('plain', 'a', { shardSize: 4 })).toMatchObject({ reused: { files: 0 } })
    const times = (await listReceipts()).map(({ hashedAt }) => Date.parse(hashedAt))
    expect(Math.max(...times) - Date.parse(first!.hashedAt)).toBeGreaterThanOrEqual(3_600_000)
  })

  test('hashes everything if the previous signature was made just now', async () => {
    await sign('plain')
    clock = -60_000
    const reason = 'there is a receipt that is too new to use (less than 2 s old)'
    expect(await sign('plain', 'a')).toMatchObject({ reused: { files: 0, bytes: 0, reason } })
  })

  test('says nothing of a reason if everything is reused and remembered', async () => {
    await sign('plain')
    const { reused, remembered } = await sign('plain', 'a')
    expect([reused, remembered]).toStrictEqual([{ files: 2, bytes: 16 }, { files: 2 }])
  })

  test('goes on without a store, but not after another error', async () => {
    await sign('plain')
    const error = new ModelSealError('ABORTED', 'A test.')
    const find = vi.spyOn(ReceiptStore.prototype, 'find').mockRejectedValueOnce(error)
    await expect(sign('plain', 'a')).rejects.toBe(error)
    find.mockRestore()
  })
})

test.each<[string, object]>([
  ['without its signer', { signature: 'model.sig' }],
  ['without its place', { verifier: { publicKey: 'a.pub' } }],
  ['by a signer that is none', { signature: 'model.sig', verifier: { publicKey: 'a.pub', identity: 'me' } }],
  ['with a misspelt field', { signature: 'model.sig', verifier: { publicKey: 'a.pub' }, verifer: {} }],
])('refuses a previous signature %s', async (_, previous) => {
  const signer = await keySigner({ privateKey: site.file('a.key') })
  await expect(signModelAgain(site.file('plain'), { signer, previous: previous as never })).rejects.toEqual(
    refusal('INVALID_ARGUMENT'),
  )
})

test('refuses an option that it does not know', async () => {
  const signer = await keySigner({ privateKey: site.file('a.key') })
  await expect(signModelAgain(site.file('plain'), { signer, prevous: {} } as never)).rejects.toEqual(
    refusal('INVALID_ARGUMENT', { message: expect.stringContaining('for signModelAgain') as string }),
  )
  await expect(signModelAgain(site.file('plain'), { signer, previous: { verifer: {} } as never })).rejects.toEqual(
    refusal('INVALID_ARGUMENT', { message: expect.stringContaining('for a previous signature') as string }),
  )
})

test('limits a previous signature only as a bundle of any model is limited', async () => {
  const signer = await keySigner({ privateKey: site.file('a.key') })
  const signature = await site.write('large.sig', Buffer.alloc(32 * 1024 * 1024 + 1, ' '))
  const previous = { signature, verifier: { publicKey: site.file('a.pub') } }
  await expect(signModelAgain(site.file('plain'), { signer, previous })).rejects.toEqual(
    refusal('BUNDLE_TOO_LARGE', { expected: 'at most 1048576 bytes besides the payload' }),
  )
})

test('refuses a previous signature that is not there', async () => {
  const signer = await keySigner({ privateKey: site.file('a.key') })
  const previous = { signature: site.file('no.sig'), verifier: { publicKey: site.file('a.pub') } }
  await expect(signModelAgain(site.file('plain'), { signer, previous })).rejects.toEqual(refusal('BUNDLE_NOT_FOUND'))
})
