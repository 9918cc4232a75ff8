import { createHash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { keyPair } from '../../testing/bundles.ts'
import { pem } from '../../testing/feeds.ts'
import { scratch } from '../../testing/scratch.ts'
import { loadCompiledPolicy } from '../load-policy.ts'
import { MAX_FEEDS } from './schema.ts'

const URL = 'https://models.example/feed.jsonl'
const PEM = pem(keyPair())
const DAY = 86_400_000

/** A policy that follows feeds. */
const contentOf = (advisories: object[], more: object = {}) => ({
  version: 1,
  trustRoots: { a: { publicKey: 'a.pub' }, b: { publicKey: 'b.pub' } },
  rules: [{ name: 'r', match: { path: '**' }, signers: [{ key: 'a' }] }],
  advisories: advisories.map((feed) => ({ signers: [{ key: 'a' }], ...feed })),
  ...more,
})

/** Compiles such a policy. */
async function compiled(advisories: object[], more: object = {}, files: Record<string, string> = {}) {
  const content = contentOf(advisories, more)
  const directory = scratch({ 'policy.json': JSON.stringify(content), 'a.pub': PEM, 'b.pub': PEM, ...files })
  const { policy, problems } = await loadCompiledPolicy(join(directory, 'policy.json'))
  return { feeds: policy.advisories, problems: problems.map(({ code, message }) => `${code} ${message}`), directory }
}

const one = async (feed: object) => {
  const { feeds, problems, directory } = await compiled([feed])
  expect(problems).toEqual([])
  expect(feeds).toHaveLength(1)
  return { ...feeds[0]!, directory }
}

describe('a feed that a policy follows', () => {
  test('needs one signer, and has the usual times, if the policy does not say more', async () => {
    expect(await one({ url: URL })).toMatchObject({
      kind: 'url',
      source: URL,
      signers: [{ method: 'key', root: 'a' }],
      threshold: 1,
      refresh: 5 * 60_000,
      maxAge: { written: '24h', milliseconds: DAY },
      ifStale: 'refuse',
      id: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
    })
  })

  test('is followed as the policy says', async () => {
    const signers = [{ key: 'a' }, { key: 'b' }]
    const feed = { url: URL, signers, threshold: 2, refresh: '1m', maxAge: '2d', ifStale: 'warn' }
    expect(await one(feed)).toMatchObject({
      signers: [{ root: 'a' }, { root: 'b' }],
      threshold: 2,
      refresh: 60_000,
      maxAge: { written: '2d', milliseconds: 2 * DAY },
      ifStale: 'warn',
    })
  })

  test('is at a URL in its usual form, or in a file beside the policy', async () => {
    expect(await one({ url: 'HTTPS://Models.example:443/a/../feed.jsonl' })).toMatchObject({ source: URL, kind: 'url' })
    const { kind, source, directory, tuf } = await one({ file: 'feeds/a.jsonl' })
    expect({ kind, source, tuf }).toEqual({ kind: 'file', source: join(directory, 'feeds/a.jsonl'), tuf: undefined })
  })

  test.each([
    [{ url: 'https://tuf.example/repo//' }, 'https://tuf.example/repo', 'https://tuf.example/repo/targets'],
    [
      { url: 'https://tuf.example', targets: 'https://files.example/x//' },
      'https://tuf.example',
      'https://files.example/x',
    ],
  ])('is in the TUF repository %j', async (place, url, targets) => {
    const { kind, source, tuf, directory } = await one({ tuf: { root: 'root.json', target: 'a/feed.jsonl', ...place } })
    const root = join(directory, 'root.json')
    expect({ kind, source, tuf }).toEqual({
      kind: 'tuf',
      source: `${targets}/a/feed.jsonl`,
      tuf: { url, root, target: 'a/feed.jsonl', targets },
    })
  })
})

describe('the identity of a feed', () => {
  test('depends on nothing but its place, signers and trust roots', async () => {
    const { feeds, directory } = await compiled([{ url: URL }])
    const again = await loadCompiledPolicy(join(directory, 'policy.json'))
    expect(again.policy.advisories[0]?.id).toBe(feeds[0]?.id)
    const others = [{ refresh: '1m' }, { ifStale: 'warn' }, { threshold: 1 }].map((more) => ({ url: URL, ...more }))
    const { problems } = await compiled([{ url: URL }, ...others])
    expect(problems.filter((problem) => problem.includes('This feed is in the list twice.'))).toHaveLength(3)
    expect(problems.every((problem) => problem.startsWith('POLICY_INVALID '))).toBe(true)
  })

  test('is that of an earlier feed: refused where the later one is', async () => {
    const directory = scratch({ 'a.pub': PEM, 'b.pub': PEM })
    const path = join(directory, 'policy.json')
    await writeFile(path, JSON.stringify(contentOf([{ url: URL }, { url: URL }]), null, 1))
    const lines = (await readFile(path, 'utf8')).split('\n')
    const { problems } = await loadCompiledPolicy(path)
    const line = lines.findLastIndex((text) => text.includes('"signers"'))
    expect(problems).toEqual([expect.objectContaining({ file: path, line })])
  })

  test.each<[string, object, object]>([
    ['place', { url: URL }, { url: `${URL}2` }],
    ['signers', { url: URL }, { url: URL, signers: [{ key: 'b' }] }],
    [
      'threshold',
      { url: URL, signers: [{ key: 'a' }, { key: 'b' }] },
      { url: URL, signers: [{ key: 'a' }, { key: 'b' }], threshold: 2 },
    ],
    [
      'root of TUF',
      { tuf: { url: 'https://tuf.example', root: '1.json', target: 'a' } },
      { tuf: { url: 'https://tuf.example', root: '2.json', target: 'a' } },
    ],
  ])('depends on its %s', async (_, first, second) => {
    const { feeds, problems } = await compiled([first, second])
    expect(problems).toEqual([])
    expect(feeds[0]?.id).not.toBe(feeds[1]?.id)
  })

  test('depends on the files of the trust roots that its signers name, and on no others', async () => {
    const directory = scratch({ 'a.pub': PEM, 'b.pub': PEM })
    const idWith = async (a: string, b: string) => {
      const content = contentOf([{ url: URL }], { trustRoots: { a: { publicKey: a }, b: { publicKey: b } } })
      await writeFile(join(directory, 'policy.json'), JSON.stringify(content))
      const { policy } = await loadCompiledPolicy(join(directory, 'policy.json'))
      return policy.advisories[0]?.id
    }
    const first = await idWith('a.pub', 'b.pub')
    expect(await idWith('a.pub', 'a.pub')).toBe(first)
    expect(await idWith('b.pub', 'b.pub')).not.toBe(first)
  })

  test('stays the same from release to release: versions are kept under it', async () => {
    // The included file, which has no such trust root, changes nothing.
    const files = { 'other.json': JSON.stringify({ version: 1 }) }
    const tuf = { url: 'https://tuf.example', root: 'root.json', target: 'a' }
    const { feeds, directory } = await compiled([{ url: URL }, { tuf }], { include: ['other.json'] }, files)
    const common = [[{ key: 'a' }], 1, [[[directory, { publicKey: 'a.pub' }]]]]
    const targets = 'https://tuf.example/targets'
    const place = { url: tuf.url, root: join(directory, 'root.json'), target: 'a', targets }
    const contents = [
      [URL, ...common],
      [`${targets}/a`, ...common, place],
    ]
    const sha256 = (content: unknown) => createHash('sha256').update(JSON.stringify(content)).digest('hex')
    expect(feeds.map(({ id }) => id)).toEqual(contents.map(sha256))
  })

  test('depends on the directory of the policy file with its trust root', async () => {
    const [first, second] = [await one({ url: URL }), await one({ url: URL })]
    expect(first.id).not.toBe(second.id)
  })
})

describe('a policy', () => {
  test('follows feeds by signers that have a trust root', async () => {
    const { problems, feeds } = await compiled([{ url: URL, signers: [{ key: 'c' }] }])
    expect(problems).toEqual([expect.stringContaining('No trust root is named "c"')])
    expect(feeds[0]?.signers).toEqual([])
  })

  test('follows no more feeds than there is room for, those of its includes among them', async () => {
    const feeds = (count: number, name: string) =>
      Array.from({ length: count }, (_, index) => ({ url: `${URL}/${name}${index}` }))
    const included = (count: number) => ({
      'other.json': JSON.stringify({
        version: 1,
        advisories: feeds(count, 'o').map((feed) => ({ ...feed, signers: [{ key: 'a' }] })),
      }),
    })
    const include = { include: ['other.json'] }
    const { problems: none } = await compiled(feeds(MAX_FEEDS - 1, 'p'), include, included(1))
    expect(none).toEqual([])
    const { problems } = await compiled(feeds(MAX_FEEDS - 1, 'p'), include, included(4))
    expect(problems).toEqual([expect.stringContaining(`more than ${MAX_FEEDS} feeds`)])
  })
})
