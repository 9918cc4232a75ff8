import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { OpenOptions } from '../loading/open-options.ts'
import { openVerifiedModel } from '../loading/open-verified-model.ts'
import type { ModelSource } from '../source/model-source.ts'
import { OpenedSource } from '../source/opened-source.ts'
import { refusal } from './scratch.ts'
import { TestSite } from './site.ts'

/** The files of a signed directory by name, including its bundle `model.sig`. */
export type SignedFiles = ReadonlyMap<string, Uint8Array>

/** Creates a source over files for one test. */
export type MakeSource = (files: SignedFiles) => ModelSource | Promise<ModelSource>

const CONTENT = { 'config.json': '{}', 'weights.bin': 'weights'.repeat(50_000), 'sub/a b#%2e.bin': 'shard' }
const EMPTY_OBJECT = 'sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a'

/** The contract of every source of models: loads work in all modes, and nothing that the source returns is trusted. */
export function sourceContract(name: string, make: MakeSource): void {
  describe(`a source of models: ${name}`, () => {
    let site: TestSite
    let signed: SignedFiles
    let enforce: string

    beforeAll(async () => {
      site = await TestSite.make()
      for (const key of ['release', 'stranger']) await site.key(key)
      await site.model('model', CONTENT)
      signed = await signedBy('release')
      enforce = await policy({})
    })
    afterAll(() => site.remove())

    const policy = (rule: object, more: object = {}) =>
      site.policy({
        version: 1,
        trustRoots: { release: { publicKey: 'release.pub' } },
        rules: [{ name: 'any', match: { format: 'any' }, signers: [{ key: 'release' }], ...rule }],
        ...more,
      })

    async function signedBy(key: string, options: object = {}): Promise<Map<string, Uint8Array>> {
      await site.sign('model', key, 'model/model.sig', options)
      const names = readdirSync(site.file('model'), { recursive: true, encoding: 'utf8' })
      const files = names.filter((file) => statSync(site.file('model', file)).isFile())
      return new Map(files.map((file) => [file, readFileSync(site.file('model', file))]))
    }

    const open = async (files: SignedFiles, options: OpenOptions = {}) =>
      openVerifiedModel(await make(files), { policy: enforce, ...options })
    const changed = (file: string, content: string | undefined) => {
      const files = new Map(signed)
      if (content === undefined) files.delete(file)
      else files.set(file, Buffer.from(content))
      return files
    }

    test('provides the files of a signed model', async () => {
      await using model = await open(signed)
      expect([...model.files].sort()).toEqual(Object.keys(CONTENT).sort())
      for (const [file, text] of Object.entries(CONTENT))
        expect(Buffer.from(await model.read(file)).toString()).toBe(text)
      expect(model.verdict).toMatchObject({ decision: 'accepted', files: { checked: 3, signed: 3 } })
    })

    test.each([{ shardSize: 1000 }, { hashType: 'blake2b' }])('signed with %o', async (options) => {
      await using model = await open(await signedBy('release', options))
      expect(model.verdict.decision).toBe('accepted')
    })

    test.each([
      ['changed', 'weights.bin', 'weightS'.repeat(50_000), 'FILE_MISMATCH'],
      ['longer', 'weights.bin', 'weights'.repeat(50_001), 'FILE_MISMATCH'],
      ['shorter', 'weights.bin', 'weights', 'FILE_MISMATCH'],
      ['missing', 'config.json', undefined, 'FILE_MISSING'],
      ['without a bundle', 'model.sig', undefined, 'BUNDLE_NOT_FOUND'],
      ['with a broken bundle', 'model.sig', '{', 'JSON_INVALID'],
    ] as const)('is refused if a file is %s (%s)', async (_, file, content, code) => {
      await expect(open(changed(file, content))).rejects.toEqual(refusal(code))
    })

    test('is refused if someone else signed it', async () => {
      await expect(open(await signedBy('stranger'))).rejects.toEqual(refusal('SIGNER_NOT_TRUSTED'))
    })

    test('is refused if it lists an unsigned file, if it can list files', async () => {
      const files = changed('added.bin', 'added')
      const { local, list } = await (await OpenedSource.open(await make(files))).model()
      if (local ?? list) await expect(open(files)).rejects.toEqual(refusal('FILE_UNSIGNED', { file: 'added.bin' }))
      else await (await open(files)).close()
    })

    test('provides paths to files until the model is closed', async () => {
      const model = await open(signed)
      const placed = await model.place(['config.json', 'sub/a b#%2e.bin'], { isolation: 'copy' })
      expect(readFileSync(placed.path('sub/a b#%2e.bin'), 'utf8')).toBe('shard')
      await expect(model.place(['../config.json'])).rejects.toEqual(refusal('FILE_NOT_SIGNED'))
      await model.close()
      expect(existsSync(placed.directory)).toBe(false)
      await expect(model.read('config.json')).rejects.toEqual(refusal('INVALID_ARGUMENT'))
    })

    test('provides ranges of files, and says if a file does not exist', async () => {
      const source = await OpenedSource.open(await make(signed))
      const files = await source.model()
      const read = (file: string, range?: { start: number; end: number }) =>
        source.reader.read<string>(
          'part',
          (signal, receive) => files.read({ name: file, range, signal }, receive),
          async ({ chunks }) => {
            let text = ''
            for await (const chunk of chunks) text += Buffer.from(chunk).toString()
            return text
          },
        )
      expect(await read('weights.bin', { start: 7, end: 17 })).toBe('weightswei')
      expect(await read('config.json')).toBe('{}')
      expect(await read('none.json')).toBe(undefined)
      await source.close()
      await expect(read('config.json')).rejects.toEqual(refusal('ABORTED'))
    })

    /** Uses a rule in the mode skip, which must name the place. */
    async function skipped(files: SignedFiles, more: object = {}) {
      const source = await make(files)
      const rule = { match: { ...source.place }, mode: 'skip', reason: 'a test', signers: undefined }
      return openVerifiedModel(source, { policy: await policy(rule, more) })
    }

    test('is loaded unverified in the modes skip and audit', async () => {
      await using model = await skipped(changed('model.sig', undefined))
      expect(model.verdict.decision).toBe('skipped')
      expect(Buffer.from(await model.read('config.json')).toString()).toBe('{}')
      await expect(model.read('../config.json')).rejects.toEqual(refusal('PATH_ESCAPES'))
      await expect(model.read('none.json')).rejects.toEqual(refusal('FILE_NOT_FOUND'))

      const files = changed('config.json', '[]')
      await using tolerated = await open(files, { policy: await policy({ mode: 'audit' }) })
      expect(tolerated.verdict).toMatchObject({ decision: 'tolerated', wouldRefuse: { code: 'FILE_MISMATCH' } })
      expect(Buffer.from(await tolerated.read('config.json')).toString()).toBe('[]')
    })

    test('is refused in every mode if a file is revoked', async () => {
      const revoked = { revoked: { fileDigests: [EMPTY_OBJECT] } }
      const other = await signedBy('release', { hashType: 'blake2b' })
      const inForce = await policy({}, revoked)
      await expect(open(other, { policy: inForce })).rejects.toEqual(refusal('FILE_REVOKED', { file: 'config.json' }))
      await using model = await skipped(signed, revoked)
      await expect(model.read('config.json')).rejects.toEqual(refusal('FILE_REVOKED'))
    })

    test('reads no more than the caller allows', async () => {
      await expect(open(signed, { maxBytes: 1000 })).rejects.toEqual(refusal('FILE_TOO_LARGE'))
    })

    test('stops when the caller aborts', async () => {
      const signal = AbortSignal.abort()
      await expect(open(signed, { signal })).rejects.toEqual(refusal('ABORTED'))
      const controller = new AbortController()
      const load = openVerifiedModel(
        await make(signed),
        { policy: enforce, signal: controller.signal },
        async (reader) => {
          controller.abort()
          return reader.read('config.json')
        },
      )
      await expect(load).rejects.toEqual(refusal('ABORTED'))
    })

    test('reports progress to the end', async () => {
      const calls: [number, number][] = []
      await using model = await open(signed, { onProgress: (done, total) => calls.push([done, total]) })
      expect(calls.at(-1)).toEqual([model.verdict.bytes, model.verdict.bytes])
      for (const [done, total] of calls) expect(done).toBeLessThanOrEqual(total)
    })

    test('leaves nothing in the temporary directory after a refusal', async () => {
      const load = openVerifiedModel(await make(signed), { policy: enforce }, async (reader) => {
        const { directory } = await reader.place(['config.json'], { isolation: 'copy' })
        throw Object.assign(new Error('refused by the loader'), { directory })
      })
      const error = (await load.catch((reason: unknown) => reason)) as { cause: { directory: string } }
      expect(existsSync(join(error.cause.directory, 'config.json'))).toBe(false)
    })
  })
}
