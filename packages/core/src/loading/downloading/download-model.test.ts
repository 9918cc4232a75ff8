import { createHash, randomBytes } from 'node:crypto'
import { execFileSync } from 'node:child_process'
import { chmod, mkdir, open, readdir, readFile, stat, writeFile, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { ModelSealError } from '../../errors.ts'
import { refusal } from '../../testing/scratch.ts'
import { memorySource } from '../../testing/memory-source.ts'
import { TestSite } from '../../testing/site.ts'
import type { ModelFiles, ReadRequest } from '../../source/model-source.ts'
import { downloadModel } from './download-model.ts'

const WEIGHTS = randomBytes(3_000_000)
const NAMES = ['config.json', 'onnx/weights.bin', 'tokenizer.json']

let site: TestSite
let policy: string
let content: Map<string, Uint8Array>
let directories = 0

beforeAll(async () => {
  site = await TestSite.make()
  await site.key('a')
  policy = await site.policy({
    version: 1,
    trustRoots: { a: { publicKey: 'a.pub' } },
    rules: [{ name: 'all', match: { url: 'store://**' }, signers: [{ key: 'a' }] }],
  })
  await site.write('model/onnx/weights.bin', WEIGHTS)
  await site.write('model/config.json', '{}')
  await site.write('model/tokenizer.json', '{"a":1}')
  await site.sign('model', 'a', 'model/model.sig')
  content = new Map()
  for (const name of [...NAMES, 'model.sig']) content.set(name, await readFile(site.file('model', name)))
})
afterAll(() => site.remove())

async function directory(): Promise<string> {
  const path = site.file(`into-${++directories}`)
  await mkdir(path, { mode: 0o700 })
  return path
}

/** A directory in which a download was interrupted. */
async function begun(): Promise<string> {
  const path = await directory()
  await mkdir(join(path, '.modelseal-incomplete'))
  return path
}

/** A source whose requests for files are recorded, and answered in pieces. */
function store(read: (request: ReadRequest) => Uint8Array | Error | undefined = () => undefined) {
  const asked: ReadRequest[] = []
  const files: Partial<ModelFiles> = {
    read: async (request, receive) => {
      asked.push(request)
      const { start, end } = request.range ?? { start: 0, end: undefined }
      const answer = read(request) ?? (content.get(request.name) as Uint8Array).subarray(start, end)
      if (answer instanceof Error) {
        await receive({ chunks: broken(content.get(request.name) as Uint8Array, start, answer) })
        return
      }
      await receive({ size: answer.length, chunks: [answer] })
    },
  }
  return { source: memorySource('store://models/vad', content, { files }), asked }
}

/** The beginning of a file, and then an error. */
async function* broken(bytes: Uint8Array, start: number, error: Error): AsyncGenerator<Uint8Array> {
  yield bytes.subarray(start, start + 1_000_000)
  await Promise.resolve()
  throw error
}

async function contentOf(path: string): Promise<string[]> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((e) => join(e.parentPath, e.name).slice(path.length + 1))
    .sort()
}

describe('a download', () => {
  test('has exactly the signed files and the bundle, readable for other users', async () => {
    const into = await begun()
    await writeFile(join(into, 'other.txt'), 'left')
    await mkdir(join(into, 'other'))
    const { source, asked } = store()
    const { verdict, files, signature, bundles } = await downloadModel(source, into, { policy })
    expect(verdict.decision).toBe('accepted')
    expect(files).toEqual(NAMES)
    expect(signature).toBe('model.sig')
    expect(bundles.map((bytes) => Buffer.from(bytes))).toEqual([content.get('model.sig')])
    expect(await contentOf(into)).toEqual([...NAMES, 'model.sig'].sort())
    for (const [name, bytes] of content) expect((await readFile(join(into, name))).equals(bytes)).toBe(true)
    expect((await stat(join(into, 'config.json'))).mode & 0o444).toBe(0o444)
    // Nothing is read twice, and the source need not keep it.
    expect(asked.map(({ name }) => name).sort()).toEqual(NAMES)
    expect(asked.every(({ kept }) => kept)).toBe(true)
  })

  test('of files on this machine is the same', async () => {
    const into = await directory()
    const local = await site.policy({
      version: 1,
      trustRoots: { a: { publicKey: 'a.pub' } },
      rules: [{ name: 'all', match: { path: '**' }, signers: [{ key: 'a' }] }],
    })
    await downloadModel(site.file('model'), into, { policy: local })
    expect(await contentOf(into)).toEqual([...NAMES, 'model.sig'].sort())
  })

  test('continues where an interrupted one stopped', async () => {
    const into = await directory()
    const first = store(({ name }) => (name === 'onnx/weights.bin' ? new Error('cut') : undefined))
    await expect(downloadModel(first.source, into, { policy })).rejects.toThrow(refusal('SOURCE_FAILED'))
    expect(await contentOf(into)).not.toContain('onnx/weights.bin')
    const second = store()
    const progress: number[] = []
    await downloadModel(second.source, into, { policy, onProgress: (done) => progress.push(done) })
    const weights = second.asked.find(({ name }) => name === 'onnx/weights.bin')
    expect(weights?.range).toEqual({ start: 1_000_000, end: WEIGHTS.length })
    expect(second.asked).toHaveLength(1)
    expect(progress.at(-1)).toBe(WEIGHTS.length + 2 + 7)
    expect((await readFile(join(into, 'onnx/weights.bin'))).equals(WEIGHTS)).toBe(true)
  })

  test.each([
    ['changed', (bytes: Buffer) => Buffer.concat([Buffer.from([bytes[0]! ^ 1]), bytes.subarray(1)])],
    ['cut', (bytes: Buffer) => bytes.subarray(0, 100)],
    ['longer', (bytes: Buffer) => Buffer.concat([bytes, Buffer.from('more')])],
  ])('does not believe what is there: a file that was %s is fetched again', async (_, change) => {
    const into = await directory()
    await downloadModel(store().source, into, { policy })
    await mkdir(join(into, '.modelseal-incomplete'))
    await writeFile(join(into, 'onnx/weights.bin'), change(WEIGHTS))
    const { source } = store()
    await downloadModel(source, into, { policy })
    expect((await readFile(join(into, 'onnx/weights.bin'))).equals(WEIGHTS)).toBe(true)
  })

  test('that cannot be continued, because the server sends no parts, begins again', async () => {
    const into = await directory()
    const cut = store(({ name }) => (name === 'onnx/weights.bin' ? new Error('cut') : undefined))
    await expect(downloadModel(cut.source, into, { policy })).rejects.toThrow(refusal('SOURCE_FAILED'))
    const { source, asked } = store(({ range }) => {
      if (range) throw new ModelSealError('HTTP_RESPONSE', 'no parts', { found: 'status 200' })
      return undefined
    })
    await downloadModel(source, into, { policy })
    expect(asked.filter(({ name }) => name === 'onnx/weights.bin').map(({ range }) => range?.start)).toEqual([
      1_000_000,
      undefined,
    ])
  })

  test('of a file that is not the signed one fails, and leaves nothing under its name', async () => {
    const into = await directory()
    const other = Buffer.from(WEIGHTS)
    other[2_999_999]! ^= 1
    const { source } = store(({ name, range }) =>
      name === 'onnx/weights.bin' ? other.subarray(range?.start, range?.end) : undefined,
    )
    await expect(downloadModel(source, into, { policy })).rejects.toThrow(refusal('FILE_MISMATCH'))
    const weights = createHash('sha256').update('onnx/weights.bin').digest('hex')
    const left = await contentOf(into)
    expect(left).not.toContain('onnx/weights.bin')
    expect(left).not.toContain(`.modelseal-incomplete/${weights}`)
    expect(left).not.toContain('model.sig')
  })

  test.each([
    ['skip', { reason: 'a test' }, 'MODEL_UNVERIFIED'],
    ['audit', { signers: [{ key: 'stranger' }] }, 'SIGNER_NOT_TRUSTED'],
  ])('is not possible unverified, as the mode %s would load it', async (mode, more, code) => {
    const into = await directory()
    await site.key('stranger')
    const lax = await site.policy({
      version: 1,
      trustRoots: { stranger: { publicKey: 'stranger.pub' } },
      rules: [{ name: 'lax', match: { url: 'store://models/vad' }, mode, ...more }],
    })
    await writeFile(join(into, 'precious'), 'mine')
    await expect(downloadModel(store().source, into, { policy: lax })).rejects.toMatchObject({ code })
    expect(await contentOf(into)).toEqual(['precious'])
  })

  test('does not follow a link or wait for a FIFO that is in the directory', async () => {
    const into = await begun()
    const outside = await site.write('outside.txt', 'precious')
    const partial = createHash('sha256').update('config.json').digest('hex')
    execFileSync('ln', ['-s', outside, join(into, '.modelseal-incomplete', partial)])
    execFileSync('ln', ['-s', site.path, join(into, 'onnx')])
    execFileSync('mkfifo', [join(into, 'tokenizer.json')])
    await downloadModel(store().source, into, { policy })
    expect(await readFile(outside, 'utf8')).toBe('precious')
    expect(await contentOf(into)).toEqual([...NAMES, 'model.sig'].sort())
  })

  test('into a directory with other files is refused, and they stay', async () => {
    const into = await directory()
    await writeFile(join(into, 'precious'), 'mine')
    await expect(downloadModel(store().source, into, { policy })).rejects.toThrow(refusal('FILE_WRITE_FAILED'))
    expect(await contentOf(into)).toEqual(['precious'])
  })

  test('of a file in the directory of unfinished files is refused', async () => {
    await site.write('reserved/.modelseal-incomplete/weights.bin', 'weights')
    await site.sign('reserved', 'a', 'reserved/model.sig')
    const files = ['.modelseal-incomplete/weights.bin', 'model.sig']
    const reserved = new Map<string, Uint8Array>()
    for (const name of files) reserved.set(name, await readFile(site.file('reserved', name)))
    const into = await directory()
    const source = memorySource('store://models/vad', reserved)
    await expect(downloadModel(source, into, { policy })).rejects.toThrow(refusal('FILE_WRITE_FAILED'))
    expect(await contentOf(into)).toEqual([])
  })

  test('that fills the disk says so, and continues once there is room', async () => {
    const into = await directory()
    const handle = await open(site.file('a.pub'))
    const prototype = Object.getPrototypeOf(handle) as FileHandle
    await handle.close()
    const full = Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
    const write = Reflect.get(prototype, 'write') as (...given: unknown[]) => Promise<unknown>
    const spy = vi.spyOn(prototype, 'write').mockImplementation(function (this: FileHandle, ...given: unknown[]) {
      return (Number(given[3]) < 1_000_000 ? write.apply(this, given) : Promise.reject(full)) as never
    })
    const pieces = memorySource('store://models/vad', content, {
      files: {
        read: async ({ name }, receive) => {
          const bytes = content.get(name) as Uint8Array
          const chunks = [0, 1, 2].map((part) => bytes.subarray(part * 1_000_000, (part + 1) * 1_000_000))
          await receive({ size: bytes.length, chunks })
        },
      },
    })
    await expect(downloadModel(pieces, into, { policy })).rejects.toMatchObject({
      code: 'FILE_WRITE_FAILED',
      found: 'ENOSPC',
      hint: expect.stringMatching(/^Free disk space .* continues where it stopped\.$/) as string,
    })
    spy.mockRestore()
    const { source, asked } = store()
    await downloadModel(source, into, { policy })
    const weights = asked.find(({ name }) => name === 'onnx/weights.bin')
    expect(weights?.range?.start).toBeGreaterThan(0)
    expect((await readFile(join(into, 'onnx/weights.bin'))).equals(WEIGHTS)).toBe(true)
  })

  test('into a directory that others can write to is refused', async () => {
    const into = await directory()
    await chmod(into, 0o777)
    await expect(downloadModel(store().source, into, { policy })).rejects.toThrow(refusal('FILE_WRITE_FAILED'))
    await expect(downloadModel(store().source, join(into, 'none'), { policy })).rejects.toThrow(
      refusal('FILE_UNREADABLE'),
    )
  })
})

test('two downloads to one directory at the same time never write to the same files', async () => {
  const into = await directory()
  const [reached, released] = [Promise.withResolvers<true>(), Promise.withResolvers<true>()]
  const slow: Partial<ModelFiles> = {
    read: async ({ name }, receive) => {
      const honest = content.get(name) as Uint8Array
      await receive({ size: honest.length, chunks: name.endsWith('.bin') ? late(honest.length) : [honest] })
    },
  }
  async function* late(length: number): AsyncGenerator<Uint8Array> {
    reached.resolve(true)
    await released.promise
    yield new Uint8Array(length)
  }
  const first = downloadModel(memorySource('store://models/vad', content, { files: slow }), into, { policy })
  await reached.promise
  const second = downloadModel(store().source, into, { policy })
  const refused = expect(second).rejects.toEqual(
    refusal('FILE_WRITE_FAILED', { found: 'another download to it that is still running' }),
  )
  await refused.finally(() => released.resolve(true))
  await expect(first).rejects.toEqual(refusal('FILE_MISMATCH'))
  await downloadModel(store().source, into, { policy })
  expect((await readFile(join(into, 'onnx/weights.bin'))).equals(WEIGHTS)).toBe(true)
})
