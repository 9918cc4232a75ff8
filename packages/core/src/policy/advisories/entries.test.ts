import { describe, expect, test } from 'vitest'
import { refusal } from '../../testing/scratch.ts'
import { compareFeeds } from './compare-feeds.ts'
import { feedEntries } from './entries.ts'
import type { Denied } from './feed-schema.ts'

const [A, B] = ['a'.repeat(64), 'b'.repeat(64)]
const COMMIT = 'abcdef0123'.repeat(4)
const PURL = `pkg:huggingface/acme/vad@${COMMIT}`

const described = async (denied: Denied) => (await feedEntries({ denied })).map(({ description }) => description)
const names = async (denied: Denied) => (await feedEntries({ denied })).map(({ name }) => name)

describe('the entries of a feed', () => {
  test.each<[Denied, string]>([
    [{ rootDigests: [A] }, `model sha256:${A}`],
    [{ rootDigests: [{ digest: `sha256:${A}`, reason: 'x' }] }, `model sha256:${A}`],
    [{ fileDigests: [`blake3:${A}`] }, `file blake3:${A}`],
    [{ fileDigests: [A] }, `file sha256:${A}`],
    [{ claims: [A] }, `attestation sha256:${A}`],
    [{ keys: [`SHA256:${A.toUpperCase()}`] }, `key sha256:${A}`],
    [{ keys: [{ fingerprint: A }] }, `key sha256:${A}`],
    [{ certificates: [A] }, `certificate sha256:${A}`],
    [{ certificates: [{ fingerprint: A }] }, `certificate sha256:${A}`],
    [
      { certificates: [{ serial: '0a', issuer: 'CN=CA' }] },
      'certificate with the serial number "0a", issued by "CN=CA"',
    ],
    [{ identities: [{ identity: 'a@b.example' }] }, 'signer "a@b.example"'],
    [
      { identities: [{ identity: { pattern: '*' }, issuer: 'https://i.example' }] },
      'signer matching "*" ("https://i.example")',
    ],
    [
      { identities: [{ identity: 'a', issuer: { regexp: 'b.*' } }] },
      'signer "a" (matching the regular expression "b.*")',
    ],
    [{ packages: [`PKG:huggingface/acme/vad@${COMMIT.toUpperCase()}`] }, `package "${PURL}"`],
    [{ packages: [{ purl: PURL }] }, `package "${PURL}"`],
  ])('%j are described', async (denied, description) => {
    expect(await described(denied)).toEqual([description])
  })

  test('have the list that they are in, and what was written', async () => {
    const entry = { digest: A, reason: 'x' }
    expect(await feedEntries({ denied: { rootDigests: [entry], fileDigests: [A] } })).toEqual([
      { list: 'rootDigests', name: `rootDigests sha256:${A}`, description: `model sha256:${A}`, entry },
      { list: 'fileDigests', name: `fileDigests sha256:${A}`, description: `file sha256:${A}`, entry: A },
    ])
    expect(await feedEntries({ denied: {} })).toEqual([])
  })

  test.each<[string, Denied]>([
    ['digests', { rootDigests: [A, `sha256:${A}`, { digest: A, severity: 'low' }] }],
    ['keys', { keys: [A, `sha256:${A}`, { fingerprint: A.toUpperCase(), reason: 'x' }] }],
    ['certificates', { certificates: [A, { fingerprint: A }] }],
    [
      'serial numbers',
      {
        certificates: [
          { serial: '0A', issuer: 'CN=CA' },
          { serial: 'a', issuer: 'CN=CA', reason: 'x' },
        ],
      },
    ],
    [
      'identities',
      {
        identities: [
          { identity: 'a', issuer: 'b' },
          { issuer: 'b', identity: 'a', reason: 'x' },
        ],
      },
    ],
    ['packages', { packages: [PURL, { purl: PURL.replace('acme', 'ACME') }] }],
  ])('that deny the same have the same name: %s', async (_, denied) => {
    expect(new Set(await names(denied)).size).toBe(1)
  })

  test.each<[string, Denied]>([
    ['algorithms', { fileDigests: [A, `blake3:${A}`] }],
    ['digests', { rootDigests: [A, B], fileDigests: [A], claims: [A] }],
    ['keys and certificates', { keys: [A, B], certificates: [A, B] }],
    [
      'serial numbers',
      {
        certificates: [
          { serial: '0a', issuer: 'CN=CA' },
          { serial: '0b', issuer: 'CN=CA' },
          { serial: '0a', issuer: 'CN=CB' },
        ],
      },
    ],
    [
      'identities',
      {
        identities: [
          { identity: 'a' },
          { identity: 'a', issuer: 'b' },
          { identity: 'a', issuer: 'c' },
          { identity: { pattern: 'a' } },
          { identity: 'b' },
        ],
      },
    ],
    ['packages', { packages: [PURL, 'pkg:huggingface/acme/vad', 'pkg:huggingface/acme/vod'] }],
  ])('that deny something else have another name: %s', async (_, denied) => {
    const all = await names(denied)
    expect(new Set(all).size).toBe(all.length)
  })

  test('are refused if they are no lists of a feed', async () => {
    const refused = refusal('INVALID_ARGUMENT', { message: expect.stringContaining('feedEntries') as string })
    await expect(feedEntries('x' as never)).rejects.toEqual(refused)
    await expect(feedEntries({ denied: { models: [A] } as never })).rejects.toEqual(refusal('INVALID_ARGUMENT'))
  })
})

describe('two versions of a feed', () => {
  test('differ by what one of them denies, whatever the notation', async () => {
    const before = { keys: [A], rootDigests: [`sha256:${A}`], claims: [{ digest: A, reason: 'a' }] }
    const after = { keys: [`SHA256:${A}`], rootDigests: [B], claims: [{ digest: A, reason: 'b' }] }
    const { added, removed, changed } = await compareFeeds({ denied: before }, { denied: after })
    const words = (entries: readonly { description: string }[]) => entries.map(({ description }) => description)
    expect(words(added)).toEqual([`model sha256:${B}`])
    expect(words(removed)).toEqual([`model sha256:${A}`])
    expect(words(changed)).toEqual([`attestation sha256:${A}`])
    expect(changed[0]?.entry).toEqual({ digest: A, reason: 'b' })
  })

  test.each(['from', 'until', 'reason', 'severity'])('differ by the field %s of an entry', async (field) => {
    const value = { from: '2026-01-01T00:00:00Z', until: '2026-01-01T00:00:00Z', severity: 'low' }[field] ?? 'x'
    const feedOf = (entry: object) => ({ denied: { rootDigests: [{ digest: A, ...entry }] } })
    const [plain, detailed] = [feedOf({}), feedOf({ [field]: value })]
    expect((await compareFeeds(plain, detailed)).changed).toHaveLength(1)
    expect((await compareFeeds(detailed, plain)).changed).toHaveLength(1)
    expect((await compareFeeds(detailed, detailed)).changed).toEqual([])
    expect((await compareFeeds(plain, { denied: { rootDigests: [A] } })).changed).toEqual([])
  })

  test('differ by each of several entries that deny the same thing', async () => {
    const [always, early, late] = [
      { fingerprint: A },
      { fingerprint: A, until: '2026-01-01T00:00:00Z' },
      { fingerprint: A, from: '2026-02-01T00:00:00Z' },
    ]
    const compare = (before: object[], after: object[]) =>
      compareFeeds({ denied: { keys: before } }, { denied: { keys: after } })
    expect(await compare([early, late], [late, early])).toEqual({ added: [], removed: [], changed: [] })
    expect(await compare([early, early, late], [late, early])).toEqual({ added: [], removed: [], changed: [] })
    for (const [before, after] of [
      [[always, late], [late]],
      [[late], [always, late]],
      [
        [always, late],
        [early, late],
      ],
    ] as const) {
      const { added, removed, changed } = await compare([...before], [...after])
      expect([added, removed]).toEqual([[], []])
      expect(changed.map(({ entry }) => entry)).toEqual(after)
    }
    expect((await compare([], [early, late])).added.map(({ entry }) => entry)).toEqual([early, late])
    expect((await compare([early, late], [])).removed.map(({ entry }) => entry)).toEqual([early, late])
  })

  test.each(['first', 'second'])('are refused if the %s is no feed', async (which) => {
    const [feed, other] = [{ denied: {} }, { denied: [] } as never]
    const compared = which === 'first' ? compareFeeds(other, feed) : compareFeeds(feed, other)
    await expect(compared).rejects.toEqual(refusal('INVALID_ARGUMENT'))
    const named = refusal('INVALID_ARGUMENT', { message: expect.stringContaining('compareFeeds') as string })
    await expect(
      which === 'first' ? compareFeeds('x' as never, feed) : compareFeeds(feed, 'x' as never),
    ).rejects.toEqual(named)
  })
})
