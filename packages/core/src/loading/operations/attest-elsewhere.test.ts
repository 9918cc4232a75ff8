import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { ModelSealError } from '../../errors.ts'
import { keySigner } from '../../signing/methods/key.ts'
import type { Signer } from '../../signing/signer.ts'
import type { BundleRequest } from '../../source/model-source.ts'
import { memorySource } from '../../testing/memory-source.ts'
import { refusal } from '../../testing/scratch.ts'
import { TestSite } from '../../testing/site.ts'
import { findBundles } from '../bundles/find-bundles.ts'
import { attestModel, type AttestOptions } from './attest-model.ts'

vi.mock(import('../bundles/find-bundles.ts'), { spy: true })

let site: TestSite

beforeAll(async () => {
  site = await TestSite.make()
  await site.key('a')
  await site.signedModel(name)
})
afterAll(() => site.remove())

const name = 'model'
const statement = { type: 'https://example.org/review/v1', predicate: { approved: true } }

test('an abort is no reason to look at the next bundle', async () => {
  const controller = new AbortController()
  const real = await vi.importActual<{ findBundles: typeof findBundles }>('../bundles/find-bundles.ts')
  vi.mocked(findBundles).mockImplementationOnce(async (...given) => {
    const found = await real.findBundles(...given)
    controller.abort()
    return found
  })
  const signer = await keySigner({ privateKey: site.file('a.key') })
  const options = { signer, ...statement, modelIdentity: 'f'.repeat(64), signal: controller.signal }
  await expect(attestModel(site.file(name), options)).rejects.toEqual(refusal('ABORTED'))
})

test('a source is closed, whether its model is attested or not', async () => {
  const content = new Map([['model.sig', await readFile(site.file(`${name}.sig`))]])
  const close = vi.fn()
  const source = memorySource('store://model', content, { session: { close } })
  const signer = await keySigner({ privateKey: site.file('a.key') })
  const output = site.file('elsewhere.jsonl')
  await attestModel(source, { signer, ...statement, check: false, output })
  expect(close).toHaveBeenCalledTimes(1)
  await expect(attestModel(source, { signer, ...statement, output })).rejects.toEqual(refusal('INVALID_ARGUMENT'))
  expect(close).toHaveBeenCalledTimes(2)
})

test('neither a source nor a signer is waited for once it is abandoned', async () => {
  const controller = new AbortController()
  const bundle = {
    path: 'store://model/model.sig',
    read: async ({ signal }: BundleRequest) => {
      setImmediate(() => controller.abort())
      await once(signal, 'abort')
    },
  }
  const source = memorySource('store://model', new Map(), {
    session: { bundles: () => [{ candidates: [bundle] }] },
  })
  const signer = await keySigner({ privateKey: site.file('a.key') })
  const output = site.file(`${name}.abandoned.jsonl`)
  const { signal } = controller
  await expect(attestModel(source, { signer, ...statement, output, check: false, signal })).rejects.toEqual(
    refusal('ABORTED'),
  )
  const later = new AbortController()
  const sign: Signer['sign'] = async (_, given) => {
    setImmediate(() => later.abort())
    await once(given!, 'abort')
    throw new ModelSealError('ABORTED', 'The signer was told.')
  }
  const options = { signer: { ...signer, sign }, ...statement, signal: later.signal }
  await expect(attestModel(site.file(name), options)).rejects.toEqual(
    refusal('ABORTED', { message: expect.stringContaining('told') as string }),
  )
})

describe('a model elsewhere', () => {
  const elsewhere = async (options: Partial<AttestOptions>) => {
    const content = new Map([['model.sig', await readFile(site.file(`${name}.sig`))]])
    const signer = await keySigner({ privateKey: site.file('a.key') })
    return attestModel(memorySource('store://model', content), { signer, ...statement, ...options })
  }

  test('is attested by the word of its bundle, in a file that the caller names', async () => {
    const output = site.file(`${name}.elsewhere.jsonl`)
    expect(await elsewhere({ check: false, output })).toMatchObject({ output, added: true, readByLoads: false, name })
    expect(await elsewhere({ check: false, output })).toMatchObject({ added: false })
    expect(await elsewhere({ check: false, output })).not.toHaveProperty('place')
  })

  test('has no place for the attestation, and no files to check', async () => {
    const hinting = (text: string) => refusal('INVALID_ARGUMENT', { hint: expect.stringContaining(text) as string })
    await expect(elsewhere({ check: false })).rejects.toEqual(hinting('"output"'))
    await site.sign(name, 'a', undefined, { claimsInside: true })
    await expect(elsewhere({ check: false })).rejects.toEqual(hinting('"output"'))
    const output = site.file(`${name}.unchecked.jsonl`)
    for (const check of [true, undefined])
      await expect(elsewhere({ check, output })).rejects.toEqual(hinting('"check: false"'))
    await expect(readFile(output)).rejects.toHaveProperty('code', 'ENOENT')
  })
})
