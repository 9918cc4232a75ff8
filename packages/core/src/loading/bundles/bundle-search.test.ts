import { describe, expect, test } from 'vitest'
import { ModelSealError, type ErrorCode } from '../../errors.ts'
import type { Rule } from '../../policy/rule.ts'
import { localModelSource } from '../../source/local/local-model-source.ts'
import { OpenedSource } from '../../source/opened-source.ts'
import { compileGlob } from '../../policy/matching/glob.ts'
import { bundleOver, encoded, keyPair, statementOver } from '../../testing/bundles.ts'
import { refusal, scratch } from '../../testing/scratch.ts'
import type { FoundModel } from './find-bundles.ts'
import { BundleSearch, nameClaimedBy } from './bundle-search.ts'

const pair = keyPair()

function bundleOf(name = 'model', ...files: string[]): Buffer {
  const contents = Object.fromEntries((files.length > 0 ? files : ['a']).map((file) => [file, file]))
  const statement = statementOver(contents) as { subject: { name: string }[] }
  statement.subject[0]!.name = name
  return bundleOver(encoded(statement), pair)
}
const SIZE = bundleOf().length

type Options = ConstructorParameters<typeof BundleSearch>[1]

/** How often a source was opened. */
let opened = 0

/** A search for the bundles of the model `m`. */
function searching(files: Record<string, string | Uint8Array>, options: Options = {}, keeps?: boolean) {
  const directory = scratch({ 'm/a': 'a', ...files })
  const path = `${directory}/m`
  const source = {
    label: 'the model',
    keepsBundles: keeps,
    opened: () => {
      opened++
      return OpenedSource.open(localModelSource(path))
    },
  }
  return { directory, path, source, search: new BundleSearch(source, options) }
}

/** A rule that looks for bundles there, with that limit. */
function rule(written?: string[], maxBundleBytes?: number): Rule {
  const bundle = written && { written, globs: written.map((glob) => compileGlob(glob)) }
  return { bundle, require: { maxBundleBytes } } as unknown as Rule
}

const namesOf = (directory: string, { bundles }: FoundModel) =>
  bundles.map(({ path }) => path.slice(directory.length + 1))

/** A search that fails by an error. */
function failing(error: unknown, options: Options = {}): BundleSearch {
  // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- some are not errors
  return new BundleSearch({ label: 'the model', opened: () => Promise.reject(error) }, options)
}
const failure = (code: ErrorCode, cause?: unknown) => new ModelSealError(code, 'No.', { cause })

describe('a search', () => {
  test('looks in the usual places, once', async () => {
    const { directory, search } = searching({ 'm.sig': bundleOf(), 'm/own.sig': bundleOf() })
    opened = 0
    expect(namesOf(directory, await search.find())).toEqual(['m.sig'])
    await search.find()
    expect(opened).toBe(1)
  })

  test('looks where the rule says', async () => {
    const { directory, search } = searching({ 'm.sig': bundleOf(), 'm/own.sig': bundleOf(), 'm/two.sig': bundleOf() })
    search.goBy(rule(['own.sig']))
    expect(namesOf(directory, await search.find())).toEqual(['m/own.sig'])
    search.goBy(rule(['two.sig']))
    expect(namesOf(directory, await search.find())).toEqual(['m/two.sig'])
    search.goBy(rule())
    expect(namesOf(directory, await search.find())).toEqual(['m.sig'])
  })

  test('reads the given bundle only', async () => {
    const { directory, path } = searching({ 'm.sig': bundleOf(), 'given.sig': bundleOf() })
    const source = { label: 'the model', opened: () => OpenedSource.open(localModelSource(path)) }
    const search = new BundleSearch(source, { signature: `${directory}/given.sig` })
    expect(namesOf(directory, await search.find())).toEqual(['given.sig'])
  })

  test('keeps the bytes if the model is saved', async () => {
    for (const keeps of [true, undefined]) {
      const [found] = (await searching({ 'm.sig': bundleOf() }, {}, keeps).search.find()).bundles
      expect(Object.keys(found!).includes('bytes')).toBe(keeps === true)
    }
  })

  test('ends when it is aborted', async () => {
    const { search } = searching({ 'm.sig': bundleOf() }, { signal: AbortSignal.abort() })
    await expect(search.find()).rejects.toEqual(refusal('ABORTED'))
  })
})

describe('the limit of a bundle', () => {
  const tooLarge = (maxBytes: number, found?: string) =>
    refusal('BUNDLE_TOO_LARGE', { expected: `at most ${maxBytes} bytes`, ...(found === undefined ? {} : { found }) })

  test.each<[string, number | undefined, number | undefined, number]>([
    ['of the caller', SIZE - 1, undefined, SIZE - 1],
    ['of the rule', undefined, SIZE - 1, SIZE - 1],
    ['of the caller, if it is less', SIZE - 2, SIZE - 1, SIZE - 2],
    ['of the rule, if it is less', SIZE - 1, SIZE - 2, SIZE - 2],
  ])('is that %s', async (_, option, require, limit) => {
    const { search } = searching({ 'm.sig': bundleOf() }, { maxBundleBytes: option })
    search.goBy(rule(undefined, require))
    expect((await search.find()).bundles).toMatchObject([{ error: tooLarge(limit) }])
  })

  test('holds for a bundle that was read before the rule was known', async () => {
    const { path, search } = searching({ 'm.sig': bundleOf() })
    expect(await search.claimedNames([])).toEqual([{ path: `${path}.sig`, name: 'model' }])
    search.goBy(rule(undefined, SIZE))
    expect((await search.find()).bundles).toMatchObject([{ bundle: {} }])
    search.goBy(rule(undefined, SIZE - 1))
    expect((await search.find()).bundles).toEqual([
      {
        path: `${path}.sig`,
        error: refusal('BUNDLE_TOO_LARGE', {
          file: `${path}.sig`,
          expected: `at most ${SIZE - 1} bytes`,
          found: `${SIZE} bytes`,
        }),
      },
    ])
  })

  test('leaves an unreadable bundle as it is', async () => {
    const { search } = searching({ 'm.sig': 'junk' })
    search.goBy(rule(undefined, SIZE))
    expect((await search.find()).bundles).toMatchObject([{ error: { code: 'JSON_INVALID' } }])
  })
})

describe('the search of another judgement', () => {
  function two(
    options: Options = {},
    others: Options = {},
    files: Record<string, Uint8Array> = { 'm.sig': bundleOf() },
  ) {
    const { source, directory, search: first } = searching(files, options)
    opened = 0
    return { directory, first, second: new BundleSearch(source, others, first) }
  }

  test('is not repeated, within its limit', async () => {
    const { first, second } = two()
    const { bundles } = await first.find()
    expect((await second.find()).bundles).toEqual(bundles)
    expect(opened).toBe(1)
    const same = two({ maxBundleBytes: SIZE }, { maxBundleBytes: SIZE })
    await same.first.find()
    await same.second.find()
    expect(opened).toBe(1)
  })

  test('is repeated if its limit was lower', async () => {
    const { first, second } = two({ maxBundleBytes: SIZE - 1 }, { maxBundleBytes: SIZE })
    expect((await first.find()).bundles).toMatchObject([{ error: { code: 'BUNDLE_TOO_LARGE' } }])
    expect((await second.find()).bundles).toMatchObject([{ bundle: {} }])
    expect(opened).toBe(2)
  })

  test('holds for what exceeds the own limit', async () => {
    const { first, second } = two({}, { maxBundleBytes: SIZE - 1 })
    await first.find()
    expect((await second.find()).bundles).toMatchObject([{ error: { code: 'BUNDLE_TOO_LARGE' } }])
    expect(opened).toBe(1)
  })

  test('is repeated if it was elsewhere, or failed', async () => {
    const files = { 'm.sig': bundleOf(), 'm/own.sig': bundleOf() }
    const { directory, first, second } = two({}, {}, files)
    await first.find()
    second.goBy(rule(['own.sig']))
    expect(namesOf(directory, await second.find())).toEqual(['m/own.sig'])
    expect(opened).toBe(2)
    const failed = two({}, {}, {})
    await expect(failed.first.find()).rejects.toEqual(refusal('BUNDLE_NOT_FOUND'))
    await expect(failed.second.find()).rejects.toEqual(refusal('BUNDLE_NOT_FOUND'))
    expect(opened).toBe(2)
  })
})

describe('a model that is loaded unverified', () => {
  const if_ = (orUnreadable: boolean, orTooLarge: boolean) => ({ orUnreadable, orTooLarge })
  const ALL = [if_(false, false), if_(false, true), if_(true, false), if_(true, true)]

  test('has the bundles that are found', async () => {
    for (const or of ALL)
      expect((await searching({ 'm.sig': bundleOf() }).search.findIfAny(or))?.bundles).toHaveLength(1)
  })

  test.each(['BUNDLE_NOT_FOUND', 'FILE_NOT_SIGNED', 'SYMLINK_REFUSED'] as const)(
    'needs no bundle: %s',
    async (code) => {
      for (const or of ALL) expect(await failing(failure(code)).findIfAny(or)).toBeUndefined()
    },
  )

  test.each(['BUNDLE_TOO_LARGE', 'BUNDLES_TOO_MANY', 'CLAIM_TOO_LARGE'] as const)(
    'may have one that was not looked at, unless it could claim something revoked: %s',
    async (code) => {
      const error = failure(code)
      for (const unreadable of [false, true]) {
        await expect(failing(error).findIfAny(if_(unreadable, false))).rejects.toBe(error)
        expect(await failing(error).findIfAny(if_(unreadable, true))).toBeUndefined()
      }
    },
  )

  test('may have too many places for bundles, unless one could claim something revoked', async () => {
    const cause = failure('MODEL_TOO_LARGE')
    const error = failure('BUNDLE_NOT_FOUND', cause)
    await expect(failing(error).findIfAny(if_(true, false))).rejects.toBe(cause)
    expect(await failing(error).findIfAny(if_(false, true))).toBeUndefined()
    const other = failure('BUNDLE_NOT_FOUND', failure('FILE_UNREADABLE'))
    expect(await failing(other).findIfAny(if_(false, false))).toBeUndefined()
    expect(
      await failing(failure('BUNDLE_NOT_FOUND', { code: 'MODEL_TOO_LARGE' })).findIfAny(if_(false, false)),
    ).toBeUndefined()
  })

  test('may have one that is too complex only if it is in an audit and nothing is revoked', async () => {
    const error = failure('JSON_TOO_COMPLEX')
    for (const or of [if_(false, false), if_(true, false), if_(false, true)])
      await expect(failing(error).findIfAny(or)).rejects.toBe(error)
    expect(await failing(error).findIfAny(if_(true, true))).toBeUndefined()
  })

  test.each([
    'JSON_INVALID',
    'BUNDLE_MALFORMED',
    'STATEMENT_TYPE',
    'RESOURCE_NAME',
    'RESOURCES_EMPTY',
    'CERTIFICATE_INVALID',
    'TIMESTAMP_INVALID',
    'BASE64_INVALID',
    'SIGNATURE_COUNT',
    'PAYLOAD_TYPE',
    'PREDICATE_TYPE',
    'SERIALIZATION_UNSUPPORTED',
    'ROOT_DIGEST_MISMATCH',
    'CHAIN_TOO_LARGE',
  ] as ErrorCode[])('may have one that does not parse only in an audit: %s', async (code) => {
    const error = failure(code)
    for (const tooLarge of [false, true]) {
      await expect(failing(error).findIfAny(if_(false, tooLarge))).rejects.toBe(error)
      expect(await failing(error).findIfAny(if_(true, tooLarge))).toBeUndefined()
    }
  })

  test('is refused for any other reason', async () => {
    const others = [
      'ABORTED',
      'SOURCE_FAILED',
      'MODEL_NOT_FOUND',
      'SIGNATURE_INVALID',
      'MY_PAYLOAD_TYPE',
      'PAYLOAD_TYPES',
    ]
    for (const error of [...others.map((code) => failure(code as ErrorCode)), new Error('broken'), undefined])
      await expect(failing(error).findIfAny(if_(true, true))).rejects.toBe(error)
  })
})

describe('the names that bundles claim', () => {
  test('are those of all places of all rules', async () => {
    const { path, search } = searching({
      'm.sig': bundleOf('usual'),
      'm/own.sig': bundleOf('own'),
      'm/two.sig': 'junk',
    })
    const rules = [rule(), rule(['own.sig']), rule(['own.sig']), rule(['two.sig']), rule(['none.sig'])]
    expect(await search.claimedNames(rules)).toEqual([
      { path: `${path}.sig`, name: 'usual' },
      { path: `${path}/own.sig`, name: 'own' },
      { path: `${path}/two.sig` },
    ])
  })

  test('are unknown for a bundle that was not read', async () => {
    const files = Object.fromEntries(Array.from({ length: 33 }, (_, index) => [`m.${100 + index}.sig`, bundleOf()]))
    const { path, search } = searching(files)
    const names = await search.claimedNames([])
    expect(names[0]).toEqual({ path: `${path}.132.sig` })
    expect(names).toHaveLength(33)
  })

  test.each(['BUNDLE_NOT_FOUND', 'FILE_NOT_SIGNED', 'MODEL_NOT_FOUND'] as const)(
    'are none without one: %s',
    async (code) => {
      expect(await failing(failure(code)).claimedNames([])).toEqual([])
    },
  )

  test.each(['ABORTED', 'BUNDLE_TOO_LARGE', 'BUNDLES_TOO_MANY', 'CLAIM_TOO_LARGE'] as const)(
    'cannot be found: %s',
    async (code) => {
      const error = failure(code)
      await expect(failing(error).claimedNames([])).rejects.toBe(error)
    },
  )

  test('cannot be found if something breaks', async () => {
    const error = new Error('broken')
    await expect(failing(error).claimedNames([])).rejects.toBe(error)
  })

  test('are unknown if the search fails in another way', async () => {
    expect(await failing(failure('JSON_INVALID')).claimedNames([])).toEqual([{ path: 'the model' }])
    const given = failing(failure('JSON_INVALID'), { signature: 'given.sig' })
    expect(await given.claimedNames([])).toEqual([{ path: 'given.sig' }])
  })
})

describe('the name that a bundle claims', () => {
  const withPayload = async (payload: Buffer) => {
    const { search } = searching({ 'm.sig': bundleOver(payload, pair) })
    const [found] = (await search.find()).bundles
    return found!
  }

  test('is unknown if it cannot be read', async () => {
    const error = failure('JSON_INVALID')
    expect(await nameClaimedBy({ path: 'p', error }, undefined)).toEqual({ path: 'p' })
    const found = await withPayload(Buffer.from('junk'))
    expect(await nameClaimedBy(found, undefined)).toEqual({ path: found.path })
    expect(await nameClaimedBy(await withPayload(encoded(statementOver({ a: 'a' }))), undefined)).toMatchObject({
      name: 'model',
    })
  })

  test('is not read if it is too large', async () => {
    const large = await withPayload(Buffer.alloc(4 * 1024 * 1024 + 1, ' '))
    await expect(nameClaimedBy(large, undefined)).rejects.toEqual(refusal('CLAIM_TOO_LARGE'))
  })

  test('is not read after an abort', async () => {
    const found = await withPayload(encoded(statementOver({ a: 'a' })))
    await expect(nameClaimedBy(found, AbortSignal.abort())).rejects.toEqual(refusal('ABORTED'))
  })
})
