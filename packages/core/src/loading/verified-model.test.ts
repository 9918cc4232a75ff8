import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { file, serve } from '../testing/http-server.ts'
import { refusal } from '../testing/scratch.ts'
import { TestSite } from '../testing/site.ts'
import { openVerifiedModel } from './open-verified-model.ts'

let site: TestSite
const FILES = { 'config.json': '{}', 'weights.bin': 'weights' }
const CLOSED = refusal('INVALID_ARGUMENT', { message: expect.stringContaining('it was closed') as string })

beforeAll(async () => {
  site = await TestSite.make()
  await site.key('a')
  await site.model('m', FILES)
  await site.sign('m', 'a', 'm/model.sig')
})
afterAll(() => site.remove())

async function policyOf(match: object, mode: object): Promise<string> {
  return site.policy({
    version: 1,
    trustRoots: { a: { publicKey: 'a.pub' } },
    rules: [{ name: 'r', match, ...mode }],
  })
}

const ENFORCE = { signers: [{ key: 'a' }] }

describe('a closed model', () => {
  const models = {
    'on disk': async () => openVerifiedModel(site.file('m'), { policy: await policyOf({ path: '**' }, ENFORCE) }),
    'loaded unverified': async () =>
      openVerifiedModel(site.file('m'), { policy: await policyOf({ path: 'm' }, { mode: 'skip', reason: 'test' }) }),
    'over HTTP': async () => {
      const files = Object.entries({ ...FILES, 'model.sig': readFileSync(site.file('m/model.sig')) })
      const { origin } = await serve(Object.fromEntries(files.map(([name, content]) => [`/m/${name}`, file(content)])))
      return openVerifiedModel(`${origin}/m/`, { policy: await policyOf({ url: '**' }, ENFORCE) })
    },
  }

  test.each(Object.entries(models))('%s returns no more files, and says that it was closed', async (_, open) => {
    const model = await open()
    const bytes = await model.read('weights.bin')
    await model.place(['weights.bin'])
    await model.close()
    await expect(model.read('weights.bin')).rejects.toEqual(CLOSED)
    await expect(model.stream('weights.bin')).rejects.toEqual(CLOSED)
    await expect(model.path('weights.bin')).rejects.toEqual(CLOSED)
    await expect(model.place(['weights.bin'])).rejects.toEqual(CLOSED)
    expect(() => model.confirm()).toThrow('it was closed')
    await model.close()
    // What was handed out before stays valid.
    expect(Buffer.from(bytes).toString()).toBe('weights')
    expect(model.files).toContain('weights.bin')
    expect(model.verdict.decision).not.toBe('refused')
    expect(model.decision).toBe(model.verdict.decision)
  })
})
