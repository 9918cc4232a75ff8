import { once } from 'node:events'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { keySigner } from '../../signing/methods/key.ts'
import { signModel } from '../../signing/sign-model.ts'
import { localModelSource } from '../../source/local/local-model-source.ts'
import type { BundleCandidate, ModelFiles } from '../../source/model-source.ts'
import { memorySource } from '../../testing/memory-source.ts'
import { refusal } from '../../testing/scratch.ts'
import { TestSite } from '../../testing/site.ts'
import { verifyModel, type VerifyOptions } from './verify-model.ts'

let site: TestSite
let rootDigest: string
let name: string
let count = 0

beforeAll(async () => {
  site = await TestSite.make()
  for (const key of ['a', 'b']) await site.key(key)
})
afterAll(() => site.remove())
beforeEach(async () => {
  name = `m${++count}`
  rootDigest = await site.signedModel(name)
})

const by = (key = 'a') => ({ publicKey: site.file(`${key}.pub`) })
const verify = (more: Partial<VerifyOptions> = {}) =>
  verifyModel(site.file(name), { signature: site.file(`${name}.sig`), verifier: by(), ...more })

describe('a model on this machine', () => {
  test('is verified in full', async () => {
    const verified = await verify()
    expect(verified).toEqual({
      signer: expect.objectContaining({ method: 'key' }) as object,
      rootDigest,
      files: { checked: 2, signed: 2 },
      bytes: 9,
    })
  })

  test('is refused by another key, without a bundle, and with one that is too large', async () => {
    await expect(verify({ verifier: by('b') })).rejects.toEqual(refusal('KEY_MISMATCH'))
    await expect(verify({ signature: site.file('no.sig') })).rejects.toEqual(refusal('BUNDLE_NOT_FOUND'))
    await expect(verify({ maxBundleBytes: 100 })).rejects.toEqual(refusal('BUNDLE_TOO_LARGE'))
  })

  test('is refused if a file is changed, missing or added', async () => {
    await site.write(`${name}/weights.bin`, 'CHANGED')
    await expect(verify()).rejects.toEqual(refusal('FILE_MISMATCH', { file: 'weights.bin' }))
    await rm(site.file(name, 'weights.bin'))
    await expect(verify()).rejects.toEqual(refusal('FILE_MISSING', { file: 'weights.bin' }))
    await site.write(`${name}/weights.bin`, 'weights')
    await site.write(`${name}/new.py`, '')
    await expect(verify()).rejects.toEqual(refusal('FILE_UNSIGNED', { file: 'new.py' }))
    expect(await verify({ ignoreUnsignedFiles: true })).toMatchObject({ files: { checked: 2, signed: 2 } })
    expect(await verify({ ignorePaths: [site.file(name, 'new.py')] })).toMatchObject({ files: { checked: 2 } })
  })

  test('may have its bundle among its files, wherever it is', async () => {
    await mkdir(site.file(name, 'sub'))
    await site.sign(name, 'a', `${name}/sub/other.sig`)
    await rm(site.file(`${name}.sig`))
    expect(await verify({ signature: site.file(name, 'sub/other.sig') })).toMatchObject({ files: { checked: 2 } })
    await site.write(`${name}/sub/another.sig`, await readFile(site.file(name, 'sub/other.sig')))
    const signature = site.file(name, 'sub/other.sig')
    await expect(verify({ signature })).rejects.toEqual(refusal('FILE_UNSIGNED', { file: 'sub/another.sig' }))
  })

  test('is not a single file of the signed directory', async () => {
    const [file, signature] = [site.file(name, 'weights.bin'), site.file(`${name}.sig`)]
    await expect(verifyModel(file, { signature, verifier: by() })).rejects.toEqual(
      refusal('FILE_MISSING', { file: 'config.json' }),
    )
  })

  test('is verified in the same way if a source has it', async () => {
    const signature = site.file(name, 'model.sig')
    await writeFile(signature, await readFile(site.file(`${name}.sig`)))
    await rm(site.file(`${name}.sig`))
    const verifySourced = (more: Partial<VerifyOptions> = {}) =>
      verifyModel(localModelSource(site.file(name)), { signature, verifier: by(), ...more })
    expect(await verifySourced()).toEqual(await verify({ signature }))
    await site.write(`${name}/new.py`, '')
    await expect(verifySourced()).rejects.toEqual(refusal('FILE_UNSIGNED', { file: 'new.py' }))
    expect(await verifySourced({ ignoreUnsignedFiles: true })).toMatchObject({ files: { checked: 2, signed: 2 } })
    const file = localModelSource(site.file(name, 'weights.bin'))
    expect(await verifyModel(file, { signature, verifier: by(), ignoreUnsignedFiles: true })).toMatchObject({
      files: { checked: 2, signed: 2 },
    })
  })

  test('is refused with an option that is not known', async () => {
    await expect(verify({ verifer: by() } as never)).rejects.toEqual(
      refusal('INVALID_ARGUMENT', { message: expect.stringContaining('for verifyModel') as string }),
    )
  })

  test('can be verified in part', async () => {
    await site.write(`${name}/weights.bin`, 'CHANGED')
    expect(await verify({ files: ['config.json'] })).toMatchObject({ files: { checked: 1, signed: 2 }, bytes: 2 })
    await expect(verify({ files: ['weights.bin'] })).rejects.toEqual(refusal('FILE_MISMATCH'))
    await expect(verify({ files: ['other.bin'] })).rejects.toEqual(refusal('FILE_NOT_SIGNED'))
  })

  test('can be abandoned, and tells of its progress', async () => {
    await expect(verify({ signal: AbortSignal.abort() })).rejects.toEqual(refusal('ABORTED'))
    const seen: unknown[] = []
    await verify({ onProgress: (progress) => void seen.push(progress) })
    expect(seen.at(-1)).toBe(9)
  })
})

describe('a model elsewhere', () => {
  let content: Map<string, Uint8Array>
  beforeEach(async () => {
    content = new Map()
    for (const file of ['config.json', 'weights.bin']) content.set(file, await readFile(site.file(name, file)))
    content.set('model.sig', await readFile(site.file(`${name}.sig`)))
  })

  const URL = 'store://model'
  type More = Parameters<typeof memorySource>[2]
  const verifyServed = (options: Partial<VerifyOptions> = {}, { session, ...more }: More = {}) => {
    const bundleAt = (path: string): BundleCandidate => ({
      path,
      read: async (_, receive) => {
        const bytes = content.get(path.slice(`${URL}/`.length))
        if (bytes) await receive({ size: bytes.length, chunks: [bytes] })
      },
    })
    const source = memorySource(URL, content, { ...more, session: { bundleAt, ...session } })
    return verifyModel(source, { signature: `${URL}/model.sig`, verifier: by(), ...options })
  }

  test('is verified in full, as it arrives, with its revision', async () => {
    const verified = await verifyServed()
    expect(verified).toMatchObject({ rootDigest, files: { checked: 2, signed: 2 }, bytes: 9 })
    expect(verified).not.toHaveProperty('revision')
    expect(await verifyServed({}, { session: { revision: 'abc' } })).toMatchObject({ revision: 'abc' })
  })

  test('is refused by another key, without a bundle, and with one that is too large or cannot be read', async () => {
    await expect(verifyServed({ verifier: by('b') })).rejects.toEqual(refusal('KEY_MISMATCH'))
    await expect(verifyServed({ signature: `${URL}/other.sig` })).rejects.toEqual(
      refusal('BUNDLE_NOT_FOUND', { message: expect.stringContaining('Cannot verify') as string }),
    )
    await expect(verifyServed({ maxBundleBytes: 100 })).rejects.toEqual(refusal('BUNDLE_TOO_LARGE'))
    content.set('model.sig', Buffer.from('{}'))
    await expect(verifyServed()).rejects.toEqual(refusal('BUNDLE_MALFORMED'))
  })

  test('is refused if a file is changed, missing or added', async () => {
    content.set('weights.bin', Buffer.from('CHANGED'))
    await expect(verifyServed()).rejects.toEqual(refusal('FILE_MISMATCH', { file: 'weights.bin' }))
    content.delete('weights.bin')
    await expect(verifyServed()).rejects.toEqual(refusal('FILE_MISSING', { file: 'weights.bin' }))
    content.set('weights.bin', Buffer.from('weights'))
    content.set('new.py', Buffer.from(''))
    await expect(verifyServed()).rejects.toEqual(refusal('FILE_UNSIGNED', { file: 'new.py' }))
    expect(await verifyServed({ ignoreUnsignedFiles: true })).toMatchObject({ files: { checked: 2, signed: 2 } })
    expect(await verifyServed({ ignorePaths: ['new.py'] })).toMatchObject({ files: { checked: 2 } })
    content.set('other.sig', content.get('model.sig')!)
    await expect(verifyServed({ ignorePaths: ['new.py'] })).rejects.toEqual(
      refusal('FILE_UNSIGNED', { file: 'other.sig' }),
    )
  })

  test('is refused before it is read if the source states another digest', async () => {
    const list = () => [
      { name: 'config.json', size: 2 },
      { name: 'weights.bin', size: 7, sha256: 'f'.repeat(64) },
      { name: 'model.sig' },
    ]
    const read = vi.fn(() => Promise.reject(new Error('read all the same')))
    const files = { list, read }
    await expect(verifyServed({}, { files })).rejects.toEqual(refusal('FILE_MISMATCH', { file: 'weights.bin' }))
    expect(read).not.toHaveBeenCalled()
  })

  test('is refused if it is larger than the caller allows', async () => {
    expect(await verifyServed({ maxBytes: 9 })).toMatchObject({ bytes: 9 })
    await expect(verifyServed({ maxBytes: 8 })).rejects.toEqual(refusal('FILE_TOO_LARGE'))
  })

  test('can be verified in part, whatever else is there', async () => {
    content.set('weights.bin', Buffer.from('CHANGED'))
    content.set('new.py', Buffer.from(''))
    expect(await verifyServed({ files: ['config.json'] })).toMatchObject({
      files: { checked: 1, signed: 2 },
      bytes: 2,
    })
    await expect(verifyServed({ files: ['weights.bin'] })).rejects.toEqual(refusal('FILE_MISMATCH'))
    await expect(verifyServed({ files: ['other.bin'] })).rejects.toEqual(refusal('FILE_NOT_SIGNED'))
  })

  test('can be a single file, whose other files are not read', async () => {
    const signer = await keySigner({ privateKey: site.file('a.key') })
    const { signature } = await signModel(site.file(name, 'weights.bin'), { signer })
    content.set('model.sig', await readFile(signature))
    const files = { isFile: true, name: 'weights.bin', path: 'store://model/weights.bin' }
    expect(await verifyServed({}, { files })).toMatchObject({ files: { checked: 1, signed: 1 }, bytes: 7 })
  })

  test('tells of its progress', async () => {
    const seen: unknown[] = []
    await verifyServed({ onProgress: (progress) => void seen.push(progress) })
    expect(seen.at(-1)).toBe(9)
    await expect(verifyServed({ signal: AbortSignal.abort() })).rejects.toEqual(refusal('ABORTED'))
  })

  test('that signed its own bundle as a file is read in full', async () => {
    await writeFile(site.file(name, 'model.sig'), 'content')
    await site.sign(name, 'a', `${name}.sig`)
    for (const file of ['config.json', 'weights.bin', 'model.sig'])
      content.set(file, await readFile(site.file(name, file)))
    content.set('outer.sig', await readFile(site.file(`${name}.sig`)))
    await expect(verifyServed({ signature: `${URL}/outer.sig` })).resolves.toMatchObject({
      files: { checked: 3, signed: 3 },
    })
    content.set('model.sig', Buffer.from('CONTENT'))
    await expect(verifyServed({ signature: `${URL}/outer.sig` })).rejects.toEqual(refusal('FILE_MISMATCH'))
  })

  test('has its bundle among its files or elsewhere, and a signed file in its place counts', async () => {
    const files = { path: `${URL}/` }
    expect(await verifyServed({}, { files })).toMatchObject({ files: { checked: 2, signed: 2 } })
    const bundle = content.get('model.sig')!
    const bundleAt = (path: string): BundleCandidate => ({
      path,
      read: (_, receive) => receive({ size: bundle.length, chunks: [bundle] }),
    })
    const elsewhere = () => verifyServed({ signature: 'store://other/model.sig' }, { session: { bundleAt } })
    await expect(elsewhere()).rejects.toEqual(refusal('FILE_UNSIGNED', { file: 'model.sig' }))
    content.delete('model.sig')
    expect(await elsewhere()).toMatchObject({ files: { checked: 2 } })
    await writeFile(site.file(name, 'model.sig'), 'content')
    await site.sign(name, 'a', `${name}.sig`)
    content.set('model.sig', await readFile(site.file(`${name}.sig`)))
    await expect(verifyServed()).rejects.toEqual(refusal('FILE_MISMATCH', { file: 'model.sig' }))
  })

  test('is no longer read once it is refused', async () => {
    let isAborted = false
    content.set('weights.bin', Buffer.from('CHANGED'))
    const read: ModelFiles['read'] = async ({ name: file, signal }, receive) => {
      if (file === 'config.json') {
        await once(signal, 'abort')
        isAborted = true
        return
      }
      const bytes = content.get(file)!
      await receive({ size: bytes.length, chunks: [bytes] })
    }
    await expect(verifyServed({}, { files: { read } })).rejects.toEqual(
      refusal('FILE_MISMATCH', { file: 'weights.bin' }),
    )
    expect(isAborted).toBe(true)
  })

  test('can be a file of a signed directory, which is then the only one that is read', async () => {
    content.set('config.json', Buffer.from('CHANGED'))
    const whole: ModelFiles = {
      path: URL,
      name: 'model',
      isFile: false,
      read: async ({ name: file }, receive) => {
        const bytes = content.get(file)!
        await receive({ size: bytes.length, chunks: [bytes] })
      },
    }
    const directories = () => [{ entry: 'weights.bin', files: () => whole }]
    const files = { isFile: true, name: 'weights.bin', path: `${URL}/weights.bin` }
    expect(await verifyServed({}, { files, session: { directories } })).toMatchObject({
      files: { checked: 1, signed: 2 },
      bytes: 7,
    })
  })
})
