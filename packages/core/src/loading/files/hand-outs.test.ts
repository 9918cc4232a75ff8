import { describe, expect, test, vi } from 'vitest'
import { Manifest } from '../../manifest/manifest.ts'
import type { Serialization } from '../../manifest/serialization.ts'
import { sha256 } from '../../testing/bundles.ts'
import { emptyVerdict } from '../judging/verdict-steps.ts'
import { holds, WatchedFiles, type HandOuts } from './hand-outs.ts'
import type { ServedFiles } from './served-files.ts'

const bytes = (text: string) => new TextEncoder().encode(text)
const WHOLE: Serialization = { method: 'files', hashType: 'sha256', allowSymlinks: false }
const SHARDS: Serialization = { ...WHOLE, method: 'shards', shardSize: 4 }

describe('a buffer holds what was handed out', () => {
  const whole = { hashType: 'sha256', partBytes: Infinity, digests: [sha256('weights')] } as const
  const parts = { hashType: 'sha256', partBytes: 4, digests: [sha256('weig'), sha256('hts')] } as const

  test.each([whole, parts])('if its digests are the same', async (content) => {
    expect(await holds(bytes('weights'), content)).toBe(true)
    for (const other of ['Weights', 'weightS', 'weights!', 'weig', ''])
      expect([other, await holds(bytes(other), content)]).toEqual([other, false])
  })

  test('however long it is', async () => {
    const long = new Uint8Array(17 * 1024 * 1024).fill(7)
    const digests = [sha256(long)]
    expect(await holds(long, { ...whole, digests })).toBe(true)
    for (const at of [0, 8 * 1024 * 1024, long.length - 1]) {
      const changed = long.slice()
      changed[at] = 8
      expect(await holds(changed, { ...whole, digests })).toBe(false)
    }
  })

  test('if it is empty, which has a digest as a whole, but no shards', async () => {
    expect(await holds(bytes(''), { ...whole, digests: [sha256('')] })).toBe(true)
    expect(await holds(bytes(''), { ...whole, digests: [] })).toBe(false)
    expect(await holds(bytes(''), { ...parts, digests: [] })).toBe(true)
    expect(await holds(bytes(''), { ...parts, digests: [sha256('')] })).toBe(false)
  })
})

describe('watched files', () => {
  const verdict = emptyVerdict({ path: 'm' }, {})
  const content: Record<string, string> = { 'weights.bin': 'weights', 'config.json': '{}' }
  const placed = { directory: '/d', isolation: 'copy', path: (name: string) => name } as const

  function watched(manifest?: Manifest) {
    const served = {
      names: ['weights.bin'],
      used: ['memory'],
      notes: ['A note.'],
      size: (name: string) => content[name]!.length,
      inMemory: (names: readonly string[]) => names.length === 1,
      read: (name: string) => Promise.resolve(bytes(content[name]!)),
      readAll: (requests: readonly { name: string; firstBytes?: number }[]) =>
        Promise.resolve(requests.map(({ name, firstBytes }) => bytes(content[name]!.slice(0, firstBytes)))),
      place: vi.fn(() => Promise.resolve(placed)),
      confirm: vi.fn(),
      dispose: vi.fn(() => Promise.resolve()),
    }
    const handOuts = { read: vi.fn(), placed: vi.fn(), over: vi.fn() } satisfies HandOuts
    const files = new WatchedFiles(served as unknown as ServedFiles, manifest, handOuts, verdict)
    return { served, handOuts, files }
  }
  const manifestOf = (serialization: Serialization, ...resources: [string, string][]) =>
    new Manifest(
      'm',
      serialization,
      resources.map(([name, digest]) => ({ name, digest })),
    )

  test('are those of the model', () => {
    const { files } = watched()
    expect([files.names, files.used, files.notes]).toEqual([['weights.bin'], ['memory'], ['A note.']])
    expect(files.size('weights.bin')).toBe(7)
    expect([files.inMemory(['a']), files.inMemory(['a', 'b'])]).toEqual([true, false])
  })

  test('are reported with digests of their own if they are not verified', async () => {
    const { files, handOuts } = watched()
    const read = await files.read('weights.bin')
    expect(read).toEqual(bytes('weights'))
    const whole = { hashType: 'sha256', partBytes: Infinity, digests: [sha256('weights')] }
    expect(handOuts.read.mock.calls).toEqual([[{ name: 'weights.bin', bytes: read, content: whole, verdict }]])
    expect((handOuts.read.mock.calls[0]![0] as { bytes: unknown }).bytes).toBe(read)
  })

  test('are reported with the signed digests if the whole file is handed out', async () => {
    // Digests that are not computed again, so any will do.
    const { files, handOuts } = watched(manifestOf(WHOLE, ['weights.bin', 'a'.repeat(64)]))
    await files.readAll([{ name: 'weights.bin' }, { name: 'weights.bin', firstBytes: 4 }])
    expect(handOuts.read.mock.calls.map(([{ content }]) => content)).toEqual([
      { hashType: 'sha256', partBytes: Infinity, digests: ['a'.repeat(64)] },
      { hashType: 'sha256', partBytes: Infinity, digests: [sha256('weig')] },
    ])
    const resources: [string, string][] = [
      ['weights.bin:0:4', 'b'.repeat(64)],
      ['weights.bin:4:7', 'c'.repeat(64)],
    ]
    const sharded = watched(manifestOf(SHARDS, ...resources))
    await sharded.files.read('weights.bin')
    expect(sharded.handOuts.read.mock.calls[0]![0].content).toEqual({
      hashType: 'sha256',
      partBytes: 4,
      digests: ['b'.repeat(64), 'c'.repeat(64)],
    })
  })

  test('are reported by their names in the order of the requests', async () => {
    const { files, handOuts } = watched()
    const buffers = await files.readAll([{ name: 'config.json' }, { name: 'weights.bin' }])
    expect(buffers).toEqual([bytes('{}'), bytes('weights')])
    expect(handOuts.read.mock.calls.map(([{ name }]) => name)).toEqual(['config.json', 'weights.bin'])
  })

  test('are reported when they are placed, and when they are over', async () => {
    const { files, served, handOuts } = watched()
    expect(await files.place(['weights.bin'], { isolation: 'copy' })).toBe(placed)
    expect(served.place).toHaveBeenCalledWith(['weights.bin'], { isolation: 'copy' })
    expect(handOuts.placed).toHaveBeenCalledWith(placed, ['weights.bin'], verdict)
    files.confirm()
    expect(served.confirm).toHaveBeenCalledOnce()
    expect(handOuts.over).not.toHaveBeenCalled()
    await files.dispose()
    expect(handOuts.over).toHaveBeenCalledBefore(served.dispose)
  })
})
