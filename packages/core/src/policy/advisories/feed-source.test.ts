import { describe, expect, test } from 'vitest'
import { refusal } from '../../testing/scratch.ts'
import type { Denied } from './feed-schema.ts'
import { MAX_SOURCE_BYTES, newFeedSource, parseFeedSource, withEntries, withoutEntries } from './feed-source.ts'

const [A, B, C] = ['a', 'b', 'c'].map((digit) => digit.repeat(64)) as [string, string, string]
const YAML = 'feed.yaml'

const bytes = (text: string) => Buffer.from(text)
const parsed = async (text: string, path = YAML) => parseFeedSource(bytes(text), path)
const source = (denied: string) => `feed: f # ours\nexpires: 7d\ndenied:\n${denied}`
const added = async (text: string, entries: Denied, { replace = true, path = YAML } = {}) =>
  withEntries(bytes(text), path, entries, replace)
const removed = async (text: string, entries: Denied, path = YAML) => withoutEntries(bytes(text), path, entries)

describe('the source of a feed', () => {
  test.each([YAML, 'feed.json'])('is written and read as %s', async (path) => {
    const text = newFeedSource({ feed: 'a "feed": #1', expires: '12h' }, path)
    expect(await parsed(text, path)).toEqual({ feed: 'a "feed": #1', expires: '12h', denied: {} })
    expect(text.startsWith('{')).toBe(path !== YAML)
    expect(text.endsWith('}\n')).toBe(true)
    expect(text.includes('# The source')).toBe(path === YAML)
    if (path !== YAML) expect(text).toContain('\n  "feed"')
  })

  test('may name a schema for editors', async () => {
    expect(await parsed('$schema: x\nfeed: f\nexpires: 7d\ndenied: {}\n')).toMatchObject({ feed: 'f' })
  })

  test.each<[string, object, string, string]>([
    ['no name', { feed: '', expires: '7d' }, '"feed"', '""'],
    ['no time of validity', { feed: 'f', expires: '0d' }, '"expires"', '"0d"'],
    ['what is no duration', { feed: 'f', expires: '7 days' }, '"expires"', '"7 days"'],
  ])('is not written with %s', (_, given, field, found) => {
    expect(() => newFeedSource(given as never, YAML)).toThrow(
      refusal('INVALID_ARGUMENT', {
        message: expect.stringContaining(field) as string,
        expected: expect.not.stringMatching(/^expected /) as string,
        found,
      }),
    )
  })

  test('says which time of validity is expected', () => {
    expect(() => newFeedSource({ feed: 'f', expires: 'PT0S' }, YAML)).toThrow(
      refusal('INVALID_ARGUMENT', { expected: 'a duration that is not zero', found: '"PT0S"' }),
    )
  })

  test.each(['1s', 'P1M', 'P1Y'])('is written with the time of validity %s', (expires) => {
    expect(newFeedSource({ feed: 'f', expires }, YAML)).toContain(`expires: ${expires}\n`)
  })

  test.each<[string, string]>([
    ['an unknown field', 'feed: f\nexpires: 7d\ndenied: {}\nsequence: 1\n'],
    ['no lists', 'feed: f\nexpires: 7d\n'],
    ['a bad duration', 'feed: f\nexpires: never\ndenied: {}\n'],
    ['a repeated key', 'feed: f\nfeed: g\nexpires: 7d\ndenied: {}\n'],
    ['an unknown list', 'feed: f\nexpires: 7d\ndenied: { models: [] }\n'],
    ['no text', ''],
  ])('is refused with %s', async (_, text) => {
    const refused = refusal('ADVISORY_INVALID', { file: YAML })
    await expect(parsed(text)).rejects.toEqual(refused)
    await expect(added(text, { keys: [A] })).rejects.toEqual(refused)
    await expect(removed(text, { keys: [A] })).rejects.toEqual(refused)
  })

  test.each([
    ['{"mediaType":"x"}', true],
    ['\n { "dsseEnvelope": {} }', true],
    ['{"verificationMaterial":{}}', true],
    ['{"other":{"mediaType":"x"}}', false],
    ['feed: f', false],
    [`{"x":${' '.repeat(300)}{"mediaType":1}}`, false],
  ])('is told from a signed feed: %s', async (text, isSigned) => {
    const error: unknown = await parsed(text, 'feed.json').catch((thrown: unknown) => thrown)
    expect(error).toEqual(refusal('ADVISORY_INVALID'))
    expect((error as Error).message.includes('This is a signed feed')).toBe(isSigned)
  })
})

test('a source may have 32 MiB', () => expect(MAX_SOURCE_BYTES).toBe(33_554_432))

describe('entries are added', () => {
  test('at the end of their list, or in a new one, and comments stay', async () => {
    const text = source(`  keys:\n    - ${A} # stolen\n`)
    const edit = await added(text, { keys: [B], rootDigests: [{ digest: A, reason: 'bad: "x"' }] })
    expect(edit.text).toBe(`${text}    - ${B}\n  rootDigests:\n    - digest: ${A}\n      reason: 'bad: "x"'\n`)
    expect(edit.added.map(({ list }) => list).sort()).toEqual(['keys', 'rootDigests'])
    expect([edit.changed, edit.removed]).toEqual([[], []])
  })

  test('each on a line of its own, though lists were written in one line', async () => {
    const edit = await added(`feed: f\nexpires: 7d\ndenied: { keys: [${A}] }\n`, { keys: [B] })
    expect(edit.text).toBe(`feed: f\nexpires: 7d\ndenied:\n  keys:\n    - ${A}\n    - ${B}\n`)
  })

  test('and long lines and entries in one line stay as they are', async () => {
    const text = source(`  keys:\n    - { fingerprint: ${A}, reason: ${'so long '.repeat(30)}that }\n`)
    expect((await added(text, { keys: [B] })).text).toBe(`${text}    - ${B}\n`)
  })

  test('to JSON, which stays JSON', async () => {
    const json = JSON.stringify({ feed: 'f', expires: '7d', denied: { keys: [A] } })
    const { text } = await added(json, { keys: [B] }, { path: 'feed.json' })
    expect(text).toBe(`${JSON.stringify({ feed: 'f', expires: '7d', denied: { keys: [A, B] } }, null, 2)}\n`)
  })

  test('once, in whatever notation', async () => {
    const text = source(`  rootDigests:\n    - ${A}\n`)
    const edit = await added(text, { rootDigests: [`sha256:${A}`, B, `sha256:${B}`] })
    expect(edit.added.map(({ description }) => description)).toEqual([`model sha256:${B}`])
    expect((await parsed(edit.text)).denied.rootDigests).toHaveLength(2)
  })

  test('in place of those that deny the same for another reason', async () => {
    const text = source(`  keys:\n    - ${C}\n    - ${A}\n    - ${B}\n`)
    const entry = { fingerprint: A, reason: 'stolen' }
    const edit = await added(text, { keys: [entry] })
    expect((await parsed(edit.text)).denied.keys).toEqual([C, entry, B])
    expect(edit.added).toEqual([])
    expect(edit.changed.map(({ list }) => list)).toEqual(['keys'])
    const kept = await added(text, { keys: [entry, 'd'.repeat(64)] }, { replace: false })
    expect((await parsed(kept.text)).denied.keys).toEqual([C, A, B, 'd'.repeat(64)])
    expect([kept.added.length, kept.changed]).toEqual([1, []])
  })

  test('for each of several periods', async () => {
    const [early, late] = [
      { fingerprint: A, until: '2026-01-01T00:00:00Z' },
      { fingerprint: A, from: '2026-02-01T00:00:00Z' },
    ]
    const keysOf = async ({ text }: { text: string }) => (await parsed(text)).denied.keys
    const both = { keys: [early, { ...late, reason: 'first' }, late] }
    expect(await keysOf(await added(source(`  claims:\n    - ${A}\n`), both))).toEqual([early, late])
    expect(await keysOf(await added(source(`  keys:\n    - ${B}\n    - ${A}\n    - ${C}\n`), both))).toEqual([B, early, C, late]) // prettier-ignore
    // One of them is there, and stays.
    const there = await added(source(`  keys:\n    - { fingerprint: ${A}, until: "${early.until}" }\n`), both)
    expect(await keysOf(there)).toEqual([early, late])
    expect([there.added, there.changed.map(({ entry }) => entry)]).toEqual([[], [late]])
  })

  test('not if one of several that deny the same has that reason already', async () => {
    const text = source(`  keys:\n    - ${A}\n    - { fingerprint: ${A}, reason: stolen }\n`)
    const edit = await added(text, { keys: [{ fingerprint: A, reason: 'stolen' }] })
    expect([edit.added, edit.changed]).toEqual([[], []])
  })
})

describe('entries are removed', () => {
  test('with everything that denies the same, and their list if it is empty', async () => {
    const text = source(`  keys:\n    - ${A}\n    - ${B} # b\n    - sha256:${A}\n  claims:\n    - ${A}\n`)
    const edit = await removed(text, { keys: [A], claims: [A] })
    expect(edit.text).toBe(source(`  keys:\n    - ${B} # b\n`))
    expect(edit.removed.map(({ list, index }: { list: string; index?: number }) => [list, index])).toEqual([
      ['keys', 0],
      ['keys', 2],
      ['claims', 0],
    ])
    expect([edit.added, edit.changed]).toEqual([[], []])
  })

  test('once, however often they are given', async () => {
    const { text } = await removed(source(`  keys:\n    - ${A}\n    - ${B}\n    - ${C}\n`), {
      keys: [A, { fingerprint: A, from: '2026-02-01T00:00:00Z' }],
    })
    expect((await parsed(text)).denied.keys).toEqual([B, C])
  })

  test('so that nothing is denied any more', async () => {
    const { text } = await removed(source(`  keys:\n    - ${A}\n`), { keys: [A] })
    expect(text).toBe('feed: f # ours\nexpires: 7d\ndenied: {}\n')
    expect((await parsed(text)).denied).toEqual({})
  })

  test('from JSON, which stays JSON', async () => {
    const json = JSON.stringify({ feed: 'f', expires: '7d', denied: { keys: [A], claims: [B] } })
    const { text } = await removed(json, { keys: [A] }, 'feed.json')
    expect(text).toBe(`${JSON.stringify({ feed: 'f', expires: '7d', denied: { claims: [B] } }, null, 2)}\n`)
  })

  test('only if they are there, in the same list', async () => {
    for (const entries of [{ keys: [B] }, { claims: [A] }, { keys: [A, B] }])
      await expect(removed(source(`  keys:\n    - ${A}\n`), entries)).rejects.toEqual(
        refusal('ADVISORY_INVALID', { file: YAML, hint: expect.stringContaining('the list does') as string }),
      )
  })
})
