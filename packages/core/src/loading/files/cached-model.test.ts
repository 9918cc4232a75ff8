import { mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { memorySource } from '../../testing/memory-source.ts'
import { refusal } from '../../testing/scratch.ts'
import { TestSite } from '../../testing/site.ts'
import { filesAt } from '../../source/model-sources.ts'
import type { ReadRequest } from '../../source/model-source.ts'
import { openVerifiedModel } from '../open-verified-model.ts'

const CONTENT = { 'config.json': '{}', 'onnx/weights.bin': 'weights'.repeat(1_000) }

let site: TestSite
let policy: string
let content: Map<string, Uint8Array>

beforeAll(async () => {
  site = await TestSite.make()
  await site.key('a')
  const rule = { name: 'all', match: { url: 'store://**' }, signers: [{ key: 'a' }] }
  policy = await site.policy({ version: 1, trustRoots: { a: { publicKey: 'a.pub' } }, rules: [rule] })
  await site.model('model', CONTENT)
  await site.sign('model', 'a', 'model/model.sig')
  content = new Map()
  for (const name of [...Object.keys(CONTENT), 'model.sig']) content.set(name, await readFile(site.file('model', name)))
})
afterAll(() => site.remove())
beforeEach(async () => {
  await rm(site.file('cache'), { recursive: true, force: true })
  await site.model('cache', CONTENT)
})

/** A source that has a cache, and what was read from it in another way. */
function cached() {
  const read: ReadRequest[] = []
  const asked: (readonly string[])[] = []
  const source = memorySource('store://models/vad', content, {
    files: {
      read: async (request, receive) => {
        read.push(request)
        const bytes = content.get(request.name)
        if (bytes) await receive({ size: bytes.length, chunks: [bytes] })
      },
      onDisk: (names) => {
        asked.push(names)
        return filesAt(site.file('cache'))
      },
    },
  })
  return { source, read, asked }
}

describe('a source with a cache', () => {
  test('is asked for it once the signature was accepted; then the files are those of this machine', async () => {
    const { source, read, asked } = cached()
    await using model = await openVerifiedModel(source, { policy, isolation: 'in-place' })
    expect(asked).toEqual([Object.keys(CONTENT)])
    const path = await model.path('onnx/weights.bin')
    expect(await readFile(path, 'utf8')).toBe(CONTENT['onnx/weights.bin'])
    expect(model.verdict.isolation).toEqual([])
    expect(model.verdict.files).toEqual({ checked: 2, signed: 2 })
    expect(read).toEqual([])
  })

  test('is not asked if the policy refuses the model', async () => {
    await site.key('b')
    const rule = { name: 'all', match: { url: 'store://**' }, signers: [{ key: 'b' }] }
    const other = await site.policy({ version: 1, trustRoots: { b: { publicKey: 'b.pub' } }, rules: [rule] })
    const { source, asked } = cached()
    await expect(openVerifiedModel(source, { policy: other })).rejects.toThrow(refusal('SIGNER_NOT_TRUSTED'))
    expect(asked).toEqual([])
  })

  test.each<[string, () => Promise<unknown>]>([
    ['with another content', () => writeFile(site.file('cache/config.json'), '[]')],
    ['with a file too few', () => rm(site.file('cache/config.json'))],
    ['with a file too many', () => writeFile(site.file('cache/more.json'), '[]')],
    [
      'with a link out of it',
      async () => {
        await rm(site.file('cache/config.json'))
        await symlink('/etc/hostname', site.file('cache/config.json'))
      },
    ],
    [
      'with a directory in place of a file',
      async () => {
        await rm(site.file('cache/config.json'))
        await mkdir(site.file('cache/config.json'))
      },
    ],
  ])('that is damaged, %s, delivers the files in the other way', async (_, damage) => {
    await damage()
    const { source, read } = cached()
    await using model = await openVerifiedModel(source, { policy })
    expect(Buffer.from(await model.read('config.json')).toString()).toBe('{}')
    expect(read.map(({ name }) => name)).toContain('config.json')
  })

  test('is asked once more for a file that a cache of its own got wrong, and only then', async () => {
    const requests: ReadRequest[] = []
    const answers = (isCached: boolean, always: boolean) =>
      memorySource('store://models/vad', content, {
        files: {
          read: async (request, receive) => {
            requests.push(request)
            const isWrong = request.name === 'config.json' && (always || request.again !== true)
            const bytes = isWrong ? Buffer.from('[]') : content.get(request.name)!
            await receive({ size: bytes.length, cached: isCached, chunks: [bytes] })
          },
        },
      })
    await using model = await openVerifiedModel(answers(true, false), { policy, isolation: 'memory' })
    expect(model.verdict.decision).toBe('accepted')
    expect(requests.filter(({ name }) => name === 'config.json').map(({ again }) => again)).toEqual([undefined, true])
    requests.length = 0
    const load = (isCached: boolean, always: boolean) => openVerifiedModel(answers(isCached, always), { policy })
    await expect(load(false, false)).rejects.toThrow(refusal('FILE_MISMATCH'))
    await expect(load(true, true)).rejects.toThrow(refusal('FILE_MISMATCH'))
    expect(requests.filter(({ name }) => name === 'config.json')).toHaveLength(3)
  })
})
