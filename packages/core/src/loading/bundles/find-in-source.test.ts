import { describe, expect, test } from 'vitest'
import { ModelSealError } from '../../errors.ts'
import { compileGlob } from '../../policy/matching/glob.ts'
import type { BundleCandidate, BundleGroup, ModelFiles, SourceSession } from '../../source/model-source.ts'
import { OpenedSource } from '../../source/opened-source.ts'
import { bundleOver, encoded, keyPair, statementOver } from '../../testing/bundles.ts'
import { memorySource } from '../../testing/memory-source.ts'
import { refusal, scratch } from '../../testing/scratch.ts'
import { findBundles, type FoundModel } from './find-bundles.ts'

const MODEL = 'store://models/vad'
const pair = keyPair()

/** A bundle over these files, of a model with that name. */
function signed(files: readonly string[], name = 'model'): Buffer {
  const statement = statementOver(Object.fromEntries(files.map((file) => [file, file]))) as {
    subject: { name: string }[]
  }
  statement.subject[0]!.name = name
  return bundleOver(encoded(statement), pair)
}

function candidate(path: string, bytes?: Uint8Array): BundleCandidate {
  return {
    path,
    read: async (_, receive) => {
      if (bytes) await receive({ size: bytes.length, chunks: [bytes] })
    },
  }
}

const files = (path: string, more: Partial<ModelFiles> = {}): ModelFiles => ({
  path,
  name: path.slice(path.lastIndexOf('/') + 1),
  isFile: false,
  read: () => Promise.resolve(),
  ...more,
})
/** The single file `f` of a directory. */
const FILE = { model: () => files(`${MODEL}/f`, { name: 'f', isFile: true }) }
const directory = (entry: string) => ({ entry, files: () => files(`${MODEL}/`) })

type Limits = Parameters<typeof findBundles>[2]

async function find(
  groups: BundleGroup[] | SourceSession['bundles'],
  session: Partial<SourceSession> = {},
  { signature, ...limits }: Limits & { signature?: string } = {},
): Promise<FoundModel> {
  const bundles = typeof groups === 'function' ? groups : () => groups
  const source = memorySource(MODEL, new Map(), { session: { bundles, ...session } })
  return findBundles(await OpenedSource.open(source), signature, limits)
}
const pathsOf = ({ bundles }: FoundModel) => bundles.map(({ path }) => path)

describe('the bundles of a source', () => {
  test('are those of the first group that has any', async () => {
    const groups = [
      { candidates: [candidate('a')] },
      { candidates: [candidate('b', signed(['f'])), candidate('c', signed(['f']))] },
      { candidates: [candidate('d', signed(['f']))] },
    ]
    const model = await find(groups)
    expect(pathsOf(model)).toEqual(['b', 'c'])
    expect(model).toMatchObject({ entry: undefined, unread: undefined, files: { path: MODEL } })
  })

  test('are looked for in the usual places, then as *.oms.sig', async () => {
    const asked: unknown[] = []
    const bundles: SourceSession['bundles'] = (names) => {
      asked.push(names?.map(({ matches }) => [matches('a.oms.sig'), matches('a.sig')]))
      return names ? [{ candidates: [candidate('a.oms.sig', signed(['f']))] }] : []
    }
    expect(pathsOf(await find(bundles))).toEqual(['a.oms.sig'])
    expect(asked).toEqual([undefined, [[true, false]]])
  })

  test('are looked for only where the rule says', async () => {
    const places = { written: ['x.sig'], globs: [compileGlob('x.sig')] }
    const bundles: SourceSession['bundles'] = (names) => [{ candidates: names ? [] : [candidate('a', signed(['f']))] }]
    const expected = '"x.sig"'
    await expect(find(bundles, {}, { places })).rejects.toEqual(refusal('BUNDLE_NOT_FOUND', { file: MODEL, expected }))
    const there: SourceSession['bundles'] = () => [{ candidates: [candidate('x.sig', signed(['f']))] }]
    expect(pathsOf(await find(there, {}, { places }))).toEqual(['x.sig'])
  })

  test('are kept as bytes if the model is saved', async () => {
    const bytes = signed(['f'])
    const groups = [{ candidates: [candidate('a', bytes)] }]
    expect((await find(groups, {}, { keeps: true })).bundles).toMatchObject([{ bytes }])
    expect((await find(groups)).bundles[0]).not.toHaveProperty('bytes')
  })

  test('are limited in size', async () => {
    const groups = [{ candidates: [candidate('a', signed(['f']))] }]
    await expect(find(groups, {}, { maxBundleBytes: 10 })).rejects.toEqual(
      refusal('BUNDLE_TOO_LARGE', { file: 'a', expected: 'at most 10 bytes' }),
    )
    await expect(find(groups, {}, { maxBundleBytes: 0 })).rejects.toEqual(refusal('INVALID_ARGUMENT'))
  })
})

describe('a model without a bundle', () => {
  const none = (groups: BundleGroup[], details: object, session?: Partial<SourceSession>, limits?: Limits) =>
    expect(find(groups, session, limits)).rejects.toEqual(refusal('BUNDLE_NOT_FOUND', details))

  test('is refused with the places where one could have been', async () => {
    const groups = [{ candidates: [candidate('a'), candidate('b')] }, { candidates: [candidate('c')], looked: ['d'] }]
    const hint = expect.stringMatching(/^Fetch the bundle/) as string
    await none(groups, { file: MODEL, expected: '"a" or "b" or "d"', found: 'no bundle that covers it', hint })
    await none([], { expected: 'a bundle with a name that the rule lists' })
  })

  test('is refused in the words of the command', async () => {
    await none([], { message: expect.stringMatching(/^Cannot load the model/) as string })
    await none([], { message: expect.stringMatching(/^Cannot attest the model/) as string }, {}, { verb: 'attest' })
  })

  test('may have one in a directory in it', async () => {
    const nested = [
      { candidates: [], nested: `${MODEL}/x` },
      { candidates: [], nested: `${MODEL}/y` },
    ]
    await none(nested, { hint: expect.stringContaining(`The directory "${MODEL}/x" in it has a bundle`) as string })
  })

  test.each([
    ['https://models.example/vad', true],
    ['http://models.example/org/vad', true],
    ['HTTPS://models.example/org/vad', true],
    ['https://models.example/org/vad/', false],
    ['https://models.example/vad.onnx', false],
    ['https://models.example', false],
    ['https://models.example/v.2/vad', true],
    ['/models/https://models.example/vad', false],
    ['store://models/vad', false],
  ])('may be a directory whose URL should end with a slash: %s', async (path, may) => {
    const slash = expect.stringMatching(/^If this is the URL of a directory, end it with/) as string
    const fetch = expect.stringMatching(/^Fetch the bundle/) as string
    await none([], { hint: may ? slash : fetch }, { model: () => files(path, { name: 'vad' }) })
  })

  test('has as the cause that not all places could be searched', async () => {
    const cause = new ModelSealError('MODEL_TOO_LARGE', 'No.')
    const broken = new ModelSealError('FILE_UNREADABLE', 'No.')
    const failing =
      (error: ModelSealError): SourceSession['bundles'] =>
      (names) => {
        if (names) throw error
        return []
      }
    await expect(find(failing(cause))).rejects.toEqual(refusal('BUNDLE_NOT_FOUND', { cause }))
    await expect(find(failing(broken))).rejects.toEqual(refusal('FILE_UNREADABLE'))
  })
})

describe('too many bundles', () => {
  const many = Array.from({ length: 32 }, (_, index) => candidate(`${index}`, signed(['other'])))
  const last = candidate('last', signed(['f']))
  const tooMany = refusal('BUNDLES_TOO_MANY', { file: 'last', expected: 'at most 32 bundles' })

  test('are told if others are enough', async () => {
    expect((await find([{ candidates: [...many, last] }])).unread).toBe('last')
    expect((await find([{ candidates: many }])).unread).toBeUndefined()
  })

  test('are the reason why none covers the file', async () => {
    const groups = [{ candidates: [...many, last], directory: directory('f'), unordered: true }]
    await expect(find(groups, FILE)).rejects.toEqual(tooMany)
    const places = { written: ['*'], globs: [compileGlob('*')] }
    await expect(find(groups, FILE, { places })).rejects.toEqual(tooMany)
  })

  test('are told although a later group has the bundle', async () => {
    const groups = [
      { candidates: [...many, last], directory: directory('f') },
      { candidates: [candidate('own', signed(['f'], 'f'))] },
    ]
    const model = await find(groups, FILE)
    expect([pathsOf(model), model.unread]).toEqual([['own'], 'last'])
  })
})

describe('bundles of a directory above a file', () => {
  const above = (...candidates: BundleCandidate[]) => [{ candidates, directory: directory('f') }]

  test('count if the first covers the file', async () => {
    const model = await find(above(candidate('a', signed(['f', 'g'])), candidate('b', signed(['g']))), FILE)
    expect(pathsOf(model)).toEqual(['a', 'b'])
    expect(model).toMatchObject({ entry: 'f', files: { path: `${MODEL}/` } })
    const unread = await find(above(candidate('a', Buffer.from('junk')), candidate('b', signed(['g']))), FILE)
    expect(pathsOf(unread)).toEqual(['a', 'b'])
  })

  test('are refused otherwise, with the model to which they belong', async () => {
    const refused = (groups: BundleGroup[], found: string, hint: RegExp) =>
      expect(find(groups, FILE)).rejects.toEqual(
        refusal('FILE_NOT_SIGNED', { file: `${MODEL}/f`, found, hint: expect.stringMatching(hint) as string }),
      )
    const [one, other] = [candidate('a', signed(['g'], 'one')), candidate('b', signed(['g'], 'other'))]
    await refused(above(one, other), '"a"', /belongs to the model "one".*sign the model again/)
    await refused([...above(one), ...above(other)], '"a", "b"', /^Sign the model again/)
    await refused([...above(one), ...above(one)], '"a", "a"', /belongs to the model "one"/)
  })
})

describe('unordered bundles of a directory', () => {
  const above = (...candidates: BundleCandidate[]) => [{ candidates, directory: directory('f'), unordered: true }]
  const junk = candidate('junk', Buffer.from('junk'))
  const [whole, other] = [candidate('whole', signed(['f', 'g'])), candidate('other', signed(['g']))]

  test('over the file alone count, and those that cannot be read', async () => {
    for (const own of [signed(['f'], 'f'), signed(['.'])]) {
      const model = await find(above(junk, whole, candidate('own', own), other), FILE)
      expect(pathsOf(model)).toEqual(['own', 'junk'])
      expect(model).toMatchObject({ entry: undefined, files: { isFile: true } })
    }
  })

  test('are over the directory if they name another model, or more files', async () => {
    for (const bytes of [signed(['f'], 'm'), signed(['f', 'g'], 'f')]) {
      const model = await find(above(other, candidate('a', bytes), junk), FILE)
      expect(pathsOf(model)).toEqual(['a', 'other', 'junk'])
      expect(model).toMatchObject({ entry: 'f', files: { path: `${MODEL}/` } })
    }
  })

  test('that do not cover the file do not count', async () => {
    await expect(find(above(other), FILE)).rejects.toEqual(refusal('FILE_NOT_SIGNED', { found: '"other"' }))
    expect(pathsOf(await find(above(other, junk), FILE))).toEqual(['other', 'junk'])
  })
})

describe('a given bundle', () => {
  const given = (path: string, bytes?: Uint8Array) => ({ bundleAt: () => candidate(path, bytes) })
  const signature = 'store://models/given.sig'

  test('is in the source if that says so', async () => {
    const model = await find([], given('g', signed(['f'])), { signature })
    expect(pathsOf(model)).toEqual(['g'])
    expect(model).toMatchObject({ entry: undefined, files: { path: MODEL } })
    await expect(find([], given('g'), { signature })).rejects.toEqual(
      refusal('BUNDLE_NOT_FOUND', { file: MODEL, expected: '"g"' }),
    )
    await expect(find([], given('g', Buffer.from('junk')), { signature })).rejects.toEqual(refusal('JSON_INVALID'))
    const bytes = signed(['f'])
    expect((await find([], given('g', bytes), { signature, keeps: true })).bundles).toMatchObject([{ bytes }])
  })

  test('is a file of this machine otherwise', async () => {
    const bytes = signed(['f'])
    const path = `${scratch({ 'g.sig': bytes })}/g.sig`
    const found = await find([], {}, { signature: path })
    expect(found.bundles).toEqual([{ path, bundle: expect.anything() as object }])
    expect((await find([], {}, { signature: path, keeps: true })).bundles).toMatchObject([{ path, bytes }])
    await expect(find([], {}, { signature: path, maxBundleBytes: 10 })).rejects.toEqual(
      refusal('BUNDLE_TOO_LARGE', { expected: 'at most 10 bytes' }),
    )
    const signal = AbortSignal.abort()
    await expect(find([], {}, { signature: path, signal })).rejects.toEqual(refusal('ABORTED'))
  })

  test('may not have credentials in its URL', async () => {
    const secret = 'https://user:password@models.example/g.sig'
    const message = expect.stringContaining('option "signature"') as string
    await expect(find([], given('g', signed(['f'])), { signature: secret })).rejects.toEqual(
      refusal('INVALID_ARGUMENT', { message }),
    )
  })

  test('is for a single file, or for a directory above it', async () => {
    const directories = () => [directory('x/f'), directory('f')]
    const load = (bytes: Uint8Array) => find([], { ...FILE, directories, ...given('g', bytes) }, { signature })
    for (const alone of [signed(['f']), signed(['.'])])
      expect(await load(alone)).toMatchObject({ entry: undefined, files: { isFile: true } })
    expect(await load(signed(['f', 'g']))).toMatchObject({ entry: 'f', files: { path: `${MODEL}/` }, bundles: [{}] })
    expect(await load(signed(['x/f']))).toMatchObject({ entry: 'x/f' })
    await expect(load(signed(['g']))).rejects.toEqual(refusal('FILE_NOT_SIGNED', { found: '"g"' }))
  })
})
