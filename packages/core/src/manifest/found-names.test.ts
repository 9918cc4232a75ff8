import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { ModelSealError, type ErrorCode } from '../errors.ts'
import { findFiles, NAMES_PER_STEP } from '../source/local/find-files.ts'
import { openLocalSource } from '../source/local/local-source.ts'
import type { Steps } from '../source/turns.ts'
import { sha256 } from '../testing/bundles.ts'
import { refusal, scratch } from '../testing/scratch.ts'
import { findSigned, ignoredOnVerifying, matchNames, selectNames, type NameOptions } from './find-signed.ts'
import { Manifest } from './manifest.ts'
import type { Serialization } from './serialization.ts'

vi.mock(import('../source/local/find-files.ts'), async (original) => {
  const real = await original()
  return { ...real, findFiles: vi.fn(real.findFiles) }
})
afterEach(() => void vi.mocked(findFiles).mockReset())

const WHOLE: Serialization = { method: 'files', hashType: 'sha256', allowSymlinks: false }

function manifestOf(names: readonly string[], serialization = WHOLE): Manifest {
  return new Manifest(
    'm',
    serialization,
    names.map((name) => ({ name, digest: sha256(name) })),
  )
}

const MANIFEST = manifestOf(['a', 'b/c', 'b/d', 'b0'])
const DEEP = manifestOf(['a', 'b/c', 'deep/down/below/x', 'deep/down/y'])

async function found(files: Record<string, string>, options: NameOptions = {}, manifest = MANIFEST) {
  const { files: signed, places } = await findSigned(await openLocalSource(scratch(files)), manifest, options)
  return signed.map(({ name }, index) => [name, places[index]]).sort()
}

describe('selected names', () => {
  test('are files, or all files of a directory', () => {
    expect(selectNames(MANIFEST, undefined)).toBeUndefined()
    expect([...selectNames(MANIFEST, ['a', 'b'])!]).toEqual(['a', 'b/c', 'b/d'])
    expect([...selectNames(MANIFEST, ['b/d', 'b/d'])!]).toEqual(['b/d'])
    expect(selectNames(MANIFEST, [])?.size).toBe(0)
  })

  test.each(['c', 'b/', '', '/', 'b/c/d', 'A'])('must be signed, unlike %j', async (name) => {
    expect(() => selectNames(MANIFEST, ['a', name])).toThrow(refusal('FILE_NOT_SIGNED', { file: name }))
    await expect(found({ a: '' }, { only: [name] })).rejects.toEqual(refusal('FILE_NOT_SIGNED', { file: name }))
  })

  test('are the only ones that are looked for', async () => {
    expect(await found({ 'b/c': '', 'b/d': '', unsigned: '' }, { only: ['b'] })).toEqual([
      ['b/c', 1],
      ['b/d', 2],
    ])
    await expect(found({ 'b/c': '' }, { only: ['b'] })).rejects.toEqual(
      refusal('FILE_MISSING', { file: 'b/d', problems: [{ code: 'FILE_MISSING', file: 'b/d' }] }),
    )
    // They are needed even if they are ignored otherwise.
    expect(await found({ a: '' }, { only: ['a'], ignored: ['a'] })).toEqual([['a', 0]])
  })

  test('that are missing say nothing about the bundle', async () => {
    const hint = { hint: expect.stringContaining('The bundle belongs to') as string }
    await expect(found({ x: '' })).rejects.toEqual(refusal('FILE_MISSING', hint))
    await expect(found({ x: '' }, { only: ['a'] })).rejects.not.toEqual(refusal('FILE_MISSING', hint))
  })
})

describe('ignored names', () => {
  const git = ['.git', '.gitattributes', '.github', '.gitignore']

  test('are those of the signature, of the caller and of Git', () => {
    const manifest = manifestOf(['a'], { ...WHOLE, ignorePaths: ['x'] })
    expect(ignoredOnVerifying(manifest, { ignored: ['y'] })).toEqual(['x', 'y', ...git])
    expect(ignoredOnVerifying(manifest, { ignoreGitPaths: false })).toEqual(['x'])
    expect(ignoredOnVerifying(MANIFEST, {})).toEqual(git)
  })

  test.each([
    ['.git/HEAD', '.git'],
    ['.gitignore', '.gitignore'],
    ['.github/workflows/x', '.github'],
    ['.gitattributes', '.gitattributes'],
    ['.gitx', undefined],
    ['sub/.gitignore', undefined],
  ])('of Git are compared if they are signed: %s', (name, compared) => {
    expect(ignoredOnVerifying(manifestOf([name]), {})).toEqual(git.filter((path) => path !== compared))
  })

  test('are ignored with or without unsigned files', async () => {
    const files = { a: '', 'b/c': '', 'b/d': '', b0: '', '.gitignore': '', y: '' }
    expect(await found(files, { ignored: ['y'] })).toHaveLength(4)
    await expect(found(files, { ignored: ['y', 'a'] })).rejects.toEqual(refusal('FILE_MISSING', { file: 'a' }))
    await expect(found(files, { ignored: ['a'], ignoreUnsignedFiles: true })).rejects.toEqual(
      refusal('FILE_MISSING', { file: 'a' }),
    )
  })
})

describe('names that are found', () => {
  const matched = <T>(steps: Steps<T>): { value: T; yields: number } => {
    for (let yields = 0; ; yields++) {
      const { done, value } = steps.next()
      if (done) return { value, yields }
    }
  }
  const named = (...names: string[]) => names.map((name) => ({ name }))

  test('are signed, unsigned or missing', () => {
    expect(matched(matchNames(named('b0', 'x', 'b/c', 'b0', 'x/claims.jsonl'), MANIFEST)).value).toEqual({
      files: named('b0', 'b/c'),
      places: [3, 1],
      unsigned: named('x', 'x/claims.jsonl'),
      missing: ['a', 'b/d'],
    })
  })

  test('may be attestations, which are added after signing', () => {
    expect(matched(matchNames(named('claims.jsonl'), MANIFEST)).value.unsigned).toEqual([])
    const signed = manifestOf(['a', 'claims.jsonl'])
    expect(matched(matchNames(named('claims.jsonl'), signed)).value).toMatchObject({ places: [1], missing: ['a'] })
  })

  test('do not matter for a single file that is signed without a name', () => {
    expect(matched(matchNames(named('any'), manifestOf(['.']), 0)).value).toEqual({
      files: named('any'),
      places: [0],
      unsigned: [],
      missing: [],
    })
  })

  test('are compared in steps', () => {
    const names = Array.from({ length: 2 * NAMES_PER_STEP }, (_, i) => `${100_000 + i}`)
    const manifest = manifestOf(names)
    expect(matched(matchNames(named(...names), manifest)).yields).toBe(2)
    expect(matched(matchNames(named(), manifest)).yields).toBe(2)
  })
})

describe('what is in the way', () => {
  const failing = (code: ErrorCode, file: string | undefined, hint?: string) => {
    vi.mocked(findFiles).mockImplementation((source) =>
      Promise.reject(
        new ModelSealError(code, 'No.', { file: file?.startsWith('/') ? join(source.path, file) : file, hint }),
      ),
    )
    return found({ a: '' }, {}, DEEP)
  }
  const advice = (name: string) => `If the model does not need "${name}", list it in the rule under "require.unsigned".`

  test.each(['SYMLINK_REFUSED', 'FILE_SPECIAL', 'FILE_UNREADABLE', 'FILE_NAME'] as const)(
    'may be permitted by a rule: %s',
    async (code) => {
      for (const file of ['sub/x', '/sub/x'])
        await expect(failing(code, file)).rejects.toEqual(refusal(code, { hint: advice('sub/x') }))
      await expect(failing(code, 'x', 'Remove it.')).rejects.toEqual(
        refusal(code, { hint: `Remove it. ${advice('x')}` }),
      )
    },
  )

  test.each<[string, ErrorCode, string | undefined]>([
    ['of another kind', 'FILE_CHANGED', 'x'],
    ['a signed file', 'FILE_SPECIAL', 'b/c'],
    ['a directory of signed files', 'FILE_SPECIAL', '/b'],
    ['a directory above signed files', 'FILE_SPECIAL', 'deep'],
    ['a directory further down', 'FILE_SPECIAL', '/deep/down'],
    ['the model', 'FILE_UNREADABLE', '/'],
    ['outside the model', 'FILE_UNREADABLE', '/../x'],
    ['unknown', 'FILE_SPECIAL', undefined],
  ])('cannot be permitted if it is %s', async (_, code, file) => {
    await expect(failing(code, file)).rejects.toEqual(refusal(code, { hint: undefined }))
  })

  test('is passed on if it is no refusal', async () => {
    vi.mocked(findFiles).mockRejectedValue(Object.assign(new TypeError('a bug'), { code: 'FILE_SPECIAL', file: 'x' }))
    await expect(found({ a: '' })).rejects.toThrow(TypeError)
  })
})

describe('a single file', () => {
  const single = async (names: string[], options: NameOptions) => {
    const path = join(scratch({ 'x.bin': '' }), 'x.bin')
    return (await findSigned(await openLocalSource(path), manifestOf(names), options)).places
  }
  const missing = (file: string) => refusal('FILE_MISSING', { problems: [{ code: 'FILE_MISSING', file }] })

  test('is not reported as unsigned if unsigned files are ignored or others are selected', async () => {
    await expect(single(['y.bin'], { ignoreUnsignedFiles: true })).rejects.toEqual(missing('y.bin'))
    await expect(single(['y.bin'], { only: ['y.bin'] })).rejects.toEqual(missing('y.bin'))
    await expect(single(['y.bin'], {})).rejects.toMatchObject({ problems: [{ file: 'y.bin' }, { file: 'x.bin' }] })
  })

  test('counts once, even if it may be unsigned', async () => {
    expect(await single(['x.bin'], { mayBeUnsigned: () => true })).toEqual([0])
    expect(await single(['.'], { mayBeUnsigned: () => true })).toEqual([0])
  })

  test('is signed without a name only if it is the model', async () => {
    await expect(found({ 'x.bin': '' }, {}, manifestOf(['.']))).rejects.toEqual(refusal('FILE_MISSING', { file: '.' }))
  })
})

describe.runIf(process.platform === 'linux')('a name that is not UTF-8', () => {
  const odd = async (bytes: string, allowed: (name: string) => boolean, manifest = MANIFEST) => {
    const directory = scratch({ a: '', 'b/c': '', 'b/d': '', b0: '' })
    writeFileSync(Buffer.concat([Buffer.from(`${directory}/`), Buffer.from(bytes, 'latin1')]), '')
    const source = await openLocalSource(directory)
    return (await findSigned(source, manifest, { mayBeUnsigned: allowed })).files.length
  }
  const all = () => true

  test('is accepted only of a file that may be unsigned', async () => {
    expect(await odd('x\xff', (name) => name === 'x\ufffd')).toBe(4)
    await expect(odd('x\xff', (name) => name === 'x')).rejects.toEqual(refusal('FILE_NAME'))
  })

  test('is refused if it reads like a signed name, or like the directory of one', async () => {
    for (const signed of ['x\ufffd', 'x\ufffd/a'])
      await expect(odd('x\xff', all, manifestOf([signed]))).rejects.toEqual(refusal('FILE_NAME'))
  })
})

describe('next to shards', () => {
  const shards: Serialization = { ...WHOLE, method: 'shards', shardSize: 10 }
  const manifest = manifestOf(['a:0:1'], shards)

  test('empty files may have been signed, and others not', async () => {
    expect(await found({ a: 'A', empty: '' }, {}, manifest)).toEqual([['a', 0]])
    await expect(found({ a: 'A', empty: '', more: 'x' }, {}, manifest)).rejects.toEqual(
      refusal('FILE_UNSIGNED', { problems: [{ code: 'FILE_UNSIGNED', file: 'more' }] }),
    )
  })

  test('an unsigned file is found among any number of empty ones', async () => {
    const empty = Object.fromEntries(Array.from({ length: 2_001 }, (_, i) => [`e${i}`, '']))
    await expect(found({ ...empty, a: 'A', zzz: 'x' }, {}, manifest)).rejects.toEqual(
      refusal('FILE_UNSIGNED', { file: 'zzz' }),
    )
  })
})
