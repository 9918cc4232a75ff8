import { randomBytes } from 'node:crypto'
import { mkdir, open, readdir, readFile, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { closeHashPool } from '../../hashing/pool.ts'
import type { ModelFiles, ReadRequest } from '../../source/model-source.ts'
import { memorySource } from '../../testing/memory-source.ts'
import { refusal } from '../../testing/scratch.ts'
import { TestSite } from '../../testing/site.ts'
import { openVerifiedModel } from '../open-verified-model.ts'
import { downloadModel } from './download-model.ts'

// Files of 8 MiB and more are hashed on a thread of their own as they arrive.

const mocks = vi.hoisted(() => ({ code: undefined as string | undefined }))
vi.mock('../../hashing/threads/thread-code.ts', async (original) => {
  const real = await original<{ THREAD_CODE: URL }>()
  return {
    ...real,
    get THREAD_CODE() {
      return mocks.code ?? real.THREAD_CODE
    },
  }
})

const LARGE = [randomBytes(9_000_000), randomBytes(10_000_001)]
const NAMES = ['a.bin', 'b.bin']
const DIES = `
  const { parentPort } = require('node:worker_threads')
  parentPort.on('message', ({ task: { port } }) => port.on('message', ({ piece }) => piece && process.exit(1)))
  parentPort.postMessage('ready')`

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
  content = new Map(NAMES.map((name, index) => [name, LARGE[index]!]))
  for (const [name, bytes] of content) await site.write(`model/${name}`, bytes)
  await site.sign('model', 'a', 'model/model.sig')
  content.set('model.sig', await readFile(site.file('model', 'model.sig')))
})
afterAll(() => site.remove())
afterEach(async () => {
  mocks.code = undefined
  vi.restoreAllMocks()
  await closeHashPool()
})

async function directory(): Promise<string> {
  const path = site.file(`into-${++directories}`)
  await mkdir(path, { mode: 0o700 })
  return path
}

/** A source that sends files in pieces, until one is refused. */
function store(change: (request: ReadRequest, position: number) => Uint8Array | Error | undefined = () => undefined) {
  const files: Partial<ModelFiles> = {
    read: async (request, receive) => {
      const bytes = content.get(request.name) as Uint8Array
      const { start, end } = request.range ?? { start: 0, end: bytes.length }
      await receive({ size: end - start, chunks: pieces(bytes, start, end) })
      async function* pieces(whole: Uint8Array, from: number, to: number): AsyncGenerator<Uint8Array> {
        for (let position = from; position < to; position += 65_536) {
          await setTimeout(0)
          const changed = change(request, position)
          if (changed instanceof Error) throw changed
          yield changed ?? whole.subarray(position, Math.min(position + 65_536, to))
        }
      }
    },
  }
  return memorySource('store://models/vad', content, { files })
}

async function isComplete(into: string): Promise<boolean> {
  const found = await Promise.all(NAMES.map((name) => readFile(join(into, name))))
  return found.every((bytes, index) => bytes.equals(LARGE[index]!))
}

async function partsIn(into: string): Promise<string[]> {
  // The other entry says that this process is alive.
  return (await readdir(join(into, '.modelseal-incomplete'))).filter((name) => name !== 'alive')
}

test.each([
  ['a thread', undefined],
  ['the calling thread, because none can be started', 'throw new Error("not here")'],
])('are downloaded, and hashed by %s', async (_, code) => {
  mocks.code = code
  const into = await directory()
  await downloadModel(store(), into, { policy })
  expect(await isComplete(into)).toBe(true)
})

test('are what was hashed, even if their source changes its memory afterwards', async () => {
  const into = await directory()
  const memory = new Map(NAMES.map((name) => [name, Buffer.from(new SharedArrayBuffer(65_536))]))
  const changing = store(({ name }, position) => {
    const own = memory.get(name)!
    // What it gave before.
    own.fill(0)
    return own.subarray(0, LARGE[NAMES.indexOf(name)]!.copy(own, 0, position, position + 65_536))
  })
  await downloadModel(changing, into, { policy })
  expect(await isComplete(into)).toBe(true)
})

test('that were changed at their end are refused, and nothing of them is left', async () => {
  const into = await directory()
  const changed = store(({ name }, position) =>
    name === 'b.bin' && position > 9_900_000 ? randomBytes(65_536) : undefined,
  )
  await expect(downloadModel(changed, into, { policy })).rejects.toEqual(refusal('FILE_MISMATCH'))
  expect(await partsIn(into)).toHaveLength(0)
})

test.each<[string, (stop: AbortController) => Parameters<typeof store>[0], object]>([
  [
    'a connection that breaks',
    () => (_, position) => (position > 5_000_000 ? new Error('reset') : undefined),
    { code: 'SOURCE_FAILED' },
  ],
  [
    'an abort',
    (stop) => (_, position) => {
      if (position > 5_000_000) stop.abort()
      return undefined
    },
    { code: 'ABORTED' },
  ],
])('are continued after %s', async (_, fault, found) => {
  const into = await directory()
  const stop = new AbortController()
  const failing = downloadModel(store(fault(stop)), into, { policy, signal: stop.signal })
  await expect(failing).rejects.toMatchObject(found)
  expect(await partsIn(into)).toHaveLength(2)
  const starts = new Map<string, number>()
  const rest = store(({ name, range }) => {
    if (!starts.has(name)) starts.set(name, range?.start ?? 0)
    return undefined
  })
  await downloadModel(rest, into, { policy })
  expect(Math.min(...starts.values())).toBeGreaterThan(1_000_000)
  expect(await isComplete(into)).toBe(true)
})

test('are refused if their thread ends, and are continued by the next download', async () => {
  const into = await directory()
  mocks.code = DIES
  await expect(downloadModel(store(), into, { policy })).rejects.toEqual(refusal('WORKER_FAILED'))
  expect(await readdir(into)).toEqual(['.modelseal-incomplete'])
  mocks.code = undefined
  await closeHashPool()
  await downloadModel(store(), into, { policy })
  expect(await isComplete(into)).toBe(true)
})

test('that do not fit on the disk are refused with its error', async () => {
  const into = await directory()
  const handle = await open(site.file('a.pub'))
  const prototype = Object.getPrototypeOf(handle) as FileHandle
  await handle.close()
  const full = Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
  const write = Reflect.get(prototype, 'write') as (...given: unknown[]) => Promise<unknown>
  vi.spyOn(prototype, 'write').mockImplementation(function (this: FileHandle, ...given: unknown[]) {
    return (Number(given[3]) < 5_000_000 ? write.apply(this, given) : Promise.reject(full)) as never
  })
  await expect(downloadModel(store(), into, { policy })).rejects.toMatchObject({
    code: 'FILE_WRITE_FAILED',
    found: 'ENOSPC',
  })
  vi.restoreAllMocks()
  await downloadModel(store(), into, { policy })
  expect(await isComplete(into)).toBe(true)
})

test('are only hashed if nothing needs them, and are refused if their thread ends', async () => {
  const model = await openVerifiedModel(store(), { policy })
  expect(model.verdict.files).toMatchObject({ checked: 2 })
  await model.close()
  await closeHashPool()
  mocks.code = DIES
  await expect(openVerifiedModel(store(), { policy })).rejects.toEqual(refusal('WORKER_FAILED'))
})
