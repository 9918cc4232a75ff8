import { chmodSync, existsSync, mkdirSync, readdirSync, statSync, truncateSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { ModelSealError } from '../../errors.ts'
import { systemError } from '../../source/file-errors.ts'
import { roomIn, temporaryPlaces } from '../../source/private/temporary-places.ts'
import { refusal, scratch } from '../../testing/scratch.ts'
import { AUTO_MEMORY_BYTES } from './isolation.ts'
import { openVerifiedModel, type ModelReader } from '../open-verified-model.ts'
import type { OpenOptions } from '../open-options.ts'
import { PrivatePlaces } from './private-places.ts'
import { TestSite } from '../../testing/site.ts'

vi.mock(import('../../source/private/temporary-places.ts'), async (original) => {
  const real = await original()
  return { ...real, roomIn: vi.fn(real.roomIn), temporaryPlaces: vi.fn(real.temporaryPlaces) }
})

const NAMES = ['config.json', 'weights.bin']
const HINT = 'Set TMPDIR.'

let site: TestSite
/** Private to this user, and set by the environment. */
let runtime: string
let cache: string

beforeEach(async () => {
  site = await TestSite.make()
  await site.key('a')
  runtime = scratch()
  cache = scratch()
  vi.stubEnv('TMPDIR', scratch())
  vi.stubEnv('XDG_RUNTIME_DIR', runtime)
  vi.stubEnv('MODELSEAL_CACHE', cache)
})
afterEach(async () => {
  vi.unstubAllEnvs()
  vi.mocked(temporaryPlaces).mockReset()
  vi.mocked(roomIn).mockReset()
  await site.remove()
})

/** An `emptyDir` of Kubernetes, which others can write to. */
function exposeTemporaryDirectory(): void {
  chmodSync(tmpdir(), 0o777)
}

/** Like a machine that has no other place for private files. */
function onlyTemporaryDirectory(): void {
  const [first] = temporaryPlaces('copies')
  vi.mocked(temporaryPlaces).mockImplementation(() => (first ? [first] : []))
}

async function signedModel(require: object = {}): Promise<{ model: string; policy: string }> {
  const model = await site.model('model')
  for (const name of NAMES) chmodSync(join(model, name), 0o644)
  // Zeros: more than `auto` reads into memory.
  truncateSync(join(model, 'weights.bin'), AUTO_MEMORY_BYTES + 1)
  await site.sign('model', 'a')
  const policy = await site.policy({
    version: 1,
    trustRoots: { a: { publicKey: 'a.pub' } },
    rules: [{ name: 'all', match: { path: '**' }, signers: [{ key: 'a' }], require }],
  })
  return { model, policy }
}

/** Like a loader whose runtime accepts paths and buffers. */
async function gather(reader: ModelReader): Promise<string | Uint8Array> {
  if (!reader.inMemory(NAMES)) {
    try {
      return (await reader.place(NAMES)).path('weights.bin')
    } catch (error) {
      if (!reader.inMemory(NAMES)) throw error
    }
  }
  const [, weights = new Uint8Array()] = await reader.readAll(NAMES.map((name) => ({ name })))
  return weights
}

async function load(options: OpenOptions = {}, require?: object) {
  const { model, policy } = await signedModel(require)
  return openVerifiedModel(model, { policy, ...options }, gather)
}

const isolationOf = ({ verdict }: Awaited<ReturnType<typeof load>>) =>
  verdict.checks.find(({ check }) => check === 'isolation')?.reason

describe('if others can replace the directory for temporary files', () => {
  test.each([
    ['in-place', () => runtime],
    ['auto', () => runtime],
    ['copy', () => join(cache, 'placed')],
  ] as const)('a model is placed elsewhere under %s, and the verdict says where and why', async (isolation, place) => {
    exposeTemporaryDirectory()
    const model = await load({ isolation })
    const root = dirname(dirname(model.gathered as string))
    expect(dirname(root)).toBe(place())
    expect(statSync(root).mode & 0o777).toBe(0o700)
    expect(isolationOf(model)).toMatch(
      /Cannot use TMPDIR for (links|copies): .* found the mode 0777\. The \1 are in ".*"\.$/,
    )
    await model[Symbol.asyncDispose]()
    expect(readdirSync(place())).toEqual([])
    expect(readdirSync(tmpdir())).toEqual([])
  })

  test('other places that are not private are skipped', async () => {
    exposeTemporaryDirectory()
    chmodSync(runtime, 0o777)
    chmodSync(cache, 0o777)
    await using model = await load({ isolation: 'in-place' })
    expect(model.gathered).toMatch(/^\/(dev\/shm|var\/tmp)\/modelseal-/)
    for (const path of [runtime, cache]) expect(readdirSync(path)).toEqual([])
  })
})

describe('if there is no private place at all', () => {
  beforeEach(onlyTemporaryDirectory)

  test.each([
    ['that others can replace', exposeTemporaryDirectory],
    ['that does not exist', () => vi.stubEnv('TMPDIR', join(tmpdir(), 'none'))],
    ['that is not a directory', () => vi.stubEnv('TMPDIR', process.execPath)],
  ])('"auto" gives the runtime buffers, with a TMPDIR %s, and the verdict says why', async (_, prepare) => {
    prepare()
    await using model = await load()
    expect(model.gathered).toHaveLength(AUTO_MEMORY_BYTES + 1)
    expect(model.verdict.isolation).toEqual(['memory'])
    expect(isolationOf(model)).toMatch(/Cannot use TMPDIR for links: .* The runtime gets them from memory instead\.$/)
  })

  test('a stream comes from memory as well', async () => {
    exposeTemporaryDirectory()
    const { model, policy } = await signedModel()
    await using opened = await openVerifiedModel(model, { policy })
    let bytes = 0
    for await (const chunk of await opened.stream('weights.bin')) bytes += chunk.length
    expect(bytes).toBe(AUTO_MEMORY_BYTES + 1)
  })

  test('a rule that excludes memory refuses, and so does a caller', async () => {
    exposeTemporaryDirectory()
    await expect(load({}, { isolation: ['in-place', 'copy'] })).rejects.toEqual(
      refusal('ISOLATION_REFUSED', { hint: expect.stringMatching(/TMPDIR.*allow "memory" in "require.isolation"/) }),
    )
    for (const isolation of ['in-place', 'copy'] as const) {
      const hint = expect.stringMatching(/TMPDIR.*isolation "auto" or "memory"/) as string
      await expect(load({ isolation })).rejects.toEqual(refusal('ISOLATION_REFUSED', { hint }))
    }
  })

  test('the limits of the load and of the process apply', async () => {
    exposeTemporaryDirectory()
    await expect(load({ maxBytes: AUTO_MEMORY_BYTES })).rejects.toEqual(refusal('FILE_TOO_LARGE'))
    const available = vi.spyOn(process, 'availableMemory').mockReturnValue(AUTO_MEMORY_BYTES)
    await expect(load()).rejects.toEqual(refusal('ISOLATION_REFUSED'))
    available.mockRestore()
  })

  test('an audit loads from memory what it would refuse', async () => {
    exposeTemporaryDirectory()
    const { model } = await signedModel()
    const policy = await site.policy({
      version: 1,
      trustRoots: { a: { publicKey: 'a.pub' } },
      rules: [{ name: 'all', match: { path: `${site.path}/**` }, mode: 'skip', reason: 'test' }],
      revoked: { fileDigests: [`sha256:${'0'.repeat(64)}`] },
    })
    await using opened = await openVerifiedModel(model, { policy }, gather)
    expect(opened.gathered).toHaveLength(AUTO_MEMORY_BYTES + 1)
  })
})

describe('copies', () => {
  test('go elsewhere if the directory for temporary files has no space for them', async () => {
    vi.mocked(roomIn).mockImplementation((path) => (path === tmpdir() ? 1000 : Infinity))
    await using model = await load({ isolation: 'copy' })
    expect(dirname(dirname(dirname(model.gathered as string)))).toBe(join(cache, 'placed'))
    expect(isolationOf(model)).toContain('has room for 1000 bytes')
  })

  test('still go into the directory for temporary files if no place reports enough free space', async () => {
    vi.mocked(roomIn).mockReturnValue(1000)
    await using model = await load({ isolation: 'copy' })
    expect(dirname(dirname(dirname(model.gathered as string)))).toBe(tmpdir())
  })
})

describe('a place that turns out to be full', () => {
  const full = () => new ModelSealError('COPY_FAILED', 'No room (ENOSPC).')

  test('is replaced once by another one, and its files stay until the end', async () => {
    const places = new PrivatePlaces('copies', () => HINT)
    const first = await places.present()
    first.names.add('config.json')
    expect(places.leave(first, full())).toBe(true)
    const second = await places.present()
    expect(places.leave(first, full())).toBe(true)
    expect(await places.present()).toBe(second)
    expect(second.directory).toContain(cache)
    expect(existsSync(first.directory)).toBe(true)
    await places.remove()
    for (const { directory } of [first, second]) expect(existsSync(directory)).toBe(false)
  })

  test('is not replaced after other failures', async () => {
    const places = new PrivatePlaces('copies', () => HINT)
    const first = await places.present()
    expect(places.leave(first, new ModelSealError('FILE_MISMATCH', 'Other bytes.'))).toBe(false)
    expect(places.leave(first, new TypeError('a bug'))).toBe(false)
    expect(await places.present()).toBe(first)
    await places.remove()
  })

  test.each([
    ['EFBIG', /ulimit -f/],
    ['EDQUOT', /disk quota is used up/],
  ])('for %s, names a remedy in the refusal', async (code, remedy) => {
    const places = new PrivatePlaces('copies', (given) => `${given ?? HINT}.`)
    const failure = () => new ModelSealError('COPY_FAILED', 'No room.', { cause: systemError(code) })
    let refused: unknown
    for (let i = 0; i < 10 && !refused; i++)
      await places.present().then(
        (present) => places.leave(present, failure()),
        (error: unknown) => (refused = error),
      )
    expect(refused).toEqual(refusal('COPY_FAILED', { hint: expect.stringMatching(remedy) }))
    await places.remove()
  })

  test('is named in the refusal if there is no other', async () => {
    mkdirSync(join(cache, 'placed'), { mode: 0o777 })
    const places = new PrivatePlaces('copies', () => HINT)
    let refused: unknown
    for (let i = 0; i < 10; i++) {
      try {
        places.leave(await places.present(), full())
      } catch (error) {
        refused = error
        break
      }
    }
    expect(refused).toEqual(
      refusal('COPY_FAILED', { message: expect.stringMatching(/^No room \(ENOSPC\)\. Set TMPDIR\./) }),
    )
    expect(places.exhausted).toBe(true)
    await expect(places.present()).rejects.toEqual(refusal('COPY_FAILED'))
    await places.remove()
  })
})
