import { resolve } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { refusal, scratch } from '../../testing/scratch.ts'
import { repositoryOf, repositoryUrl, TUF_ROOT_FILE } from './repository.ts'

const rootOf = (bytes: Buffer) => JSON.parse(bytes.toString()) as { signed: { _type: string } }
const trustedRootOf = (bytes: Buffer | undefined) => JSON.parse(String(bytes)) as { mediaType: string }

describe('the repository', () => {
  test.each([
    ['public-good', 'https://tuf-repo-cdn.sigstore.dev', 'fulcio.sigstore.dev'],
    ['staging', 'https://tuf-repo-cdn.sigstage.dev', 'fulcio.sigstage.dev'],
  ] as const)('of %s comes with its first root and its trusted root', async (instance, url, authority) => {
    const { name, url: own, anchor, included } = await repositoryOf(instance)
    expect([name, own, repositoryUrl(instance)]).toEqual([instance, url, url])
    expect(rootOf(anchor).signed._type).toBe('root')
    expect(trustedRootOf(included).mediaType).toContain('trustedroot')
    expect(String(included)).toContain(authority)
  })

  test('of another instance is named by its URL, and comes with the first root only', async () => {
    const tufRoot = `${scratch({ 'root.json': '{}' })}/root.json`
    expect(await repositoryOf({ tufUrl: 'https://tuf.test/a//', tufRoot })).toEqual({
      name: 'https://tuf.test/a',
      url: 'https://tuf.test/a',
      anchor: Buffer.from('{}'),
      included: undefined,
    })
  })

  test('of another instance is read by what the caller gives, within the limit for root metadata', async () => {
    const read = vi.fn(() => Promise.resolve(Buffer.from('{}')))
    await repositoryOf({ tufUrl: 'http://tuf.test', tufRoot: 'root.json' }, read)
    expect(read.mock.calls).toEqual([[resolve('root.json'), TUF_ROOT_FILE]])
    expect(TUF_ROOT_FILE).toMatchObject({ what: 'root metadata of the TUF repository', maxBytes: 512_000 })
    const missing = `${scratch()}/root.json`
    await expect(repositoryOf({ tufUrl: 'http://tuf.test', tufRoot: missing })).rejects.toThrow(
      refusal('FILE_NOT_FOUND', { file: missing }),
    )
  })
})

describe('the URL of a repository', () => {
  test.each([
    ['https://tuf.test', 'https://tuf.test'],
    ['HTTP://TUF.test:8080/a/b///', 'http://tuf.test:8080/a/b'],
    ['https://tuf.test/a//b/?#', 'https://tuf.test/a//b'],
  ])('%s is %s', (tufUrl, expected) => {
    expect(repositoryUrl({ tufUrl, tufRoot: '' })).toBe(expected)
  })

  test.each([
    'ftp://tuf.test',
    'xhttps://tuf.test',
    'httpsx://tuf.test',
    'tuf.test',
    '',
    'https://me@tuf.test',
    'https://:secret@tuf.test',
    'https://tuf.test/?a',
    'https://tuf.test/#a',
  ])('is not "%s"', (tufUrl) => {
    expect(() => repositoryUrl({ tufUrl, tufRoot: '' })).toThrow(
      refusal('INVALID_ARGUMENT', {
        expected: 'an http or https URL without user, query and fragment',
        found: JSON.stringify(tufUrl),
      }),
    )
  })
})

describe('a library without the seeds of public-good', () => {
  const PUBLIC = 'https://tuf-repo-cdn.sigstore.dev'
  test.each([
    ['none', {}, '"@sigstore/tuf includes no root"'],
    ['no trusted root', { [PUBLIC]: { 'root.json': 'AAAA', targets: {} } }, '"@sigstore/tuf includes no root"'],
    ['nothing', null, expect.any(String)],
  ])('is refused: %s', async (_, seeds, found: unknown) => {
    vi.doMock('@sigstore/tuf/seeds.json', () => ({ default: seeds }))
    try {
      await expect(repositoryOf('public-good')).rejects.toThrow(
        refusal('TRUST_ROOT_INVALID', { file: '@sigstore/tuf/seeds.json', found }),
      )
    } finally {
      vi.doUnmock('@sigstore/tuf/seeds.json')
      vi.resetModules()
    }
  })
})
