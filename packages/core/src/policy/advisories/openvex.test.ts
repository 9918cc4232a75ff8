import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import type { ErrorCode } from '../../errors.ts'
import { refusal, scratch } from '../../testing/scratch.ts'
import { checkedEntries, type FeedEntries } from './feed-entries.ts'
import type { AdvisoryFeed } from './feed-statement.ts'
import { exportOpenVex, importOpenVex } from './openvex.ts'

const HEX = 'a'.repeat(64)
const COMMIT = 'abcdef0123'.repeat(4)
const FEED = 'https://models.example/advisories'

let directory: string
const at = (name: string) => join(directory, name)

beforeEach(() => void (directory = scratch()))

/** A feed that denies these. */
async function feedOf(entries: FeedEntries): Promise<AdvisoryFeed> {
  const denied = await checkedEntries(entries)
  return {
    feed: FEED,
    sequence: 1,
    issued: '2026-01-01T00:00:00Z',
    expires: '2026-02-01T00:00:00Z',
    denied,
    digest: HEX,
  }
}

describe('OpenVEX', () => {
  const entries: FeedEntries = {
    rootDigests: [{ digest: HEX, reason: 'poisoned', severity: 'critical' }],
    fileDigests: ['b'.repeat(64), `blake2b:${'c'.repeat(128)}`, `blake3:${'d'.repeat(64)}`],
    packages: [{ purl: `pkg:huggingface/acme/vad@${COMMIT.toUpperCase()}`, reason: 'poisoned', severity: 'critical' }],
    keys: [HEX],
  }

  test('is exported, with a list of what it cannot say', async () => {
    const feed = await feedOf({
      ...entries,
      fileDigests: [
        ...(entries.fileDigests ?? []),
        { digest: HEX, from: '2026-01-01T00:00:00Z' },
        { digest: HEX, until: '2026-01-01T00:00:00Z' },
      ],
    })
    const { document, leftOut } = await exportOpenVex(feed)
    expect(document).toEqual({
      '@context': 'https://openvex.dev/ns/v0.2.0',
      '@id': `urn:modelseal:advisory-feed:${encodeURIComponent(FEED)}:1`,
      author: FEED,
      timestamp: feed.issued,
      version: 1,
      statements: [
        {
          vulnerability: { name: FEED, description: 'poisoned' },
          products: [
            { '@id': `urn:modelseal:root-digest:sha256:${HEX}`, hashes: { 'sha-256': HEX } },
            {
              '@id': `pkg:huggingface/acme/vad@${COMMIT}`,
              identifiers: { purl: `pkg:huggingface/acme/vad@${COMMIT}` },
            },
          ],
          status: 'affected',
          status_notes: 'Severity: critical.',
          action_statement: 'Do not load it.',
        },
        {
          vulnerability: { name: FEED },
          products: [{ hashes: { 'sha-256': 'b'.repeat(64) } }, { hashes: { 'blake2b-512': 'c'.repeat(128) } }],
          status: 'affected',
          action_statement: 'Do not load it.',
        },
      ],
    })
    expect(leftOut.map(({ description }) => description)).toEqual([
      `file blake3:${'d'.repeat(64)}`,
      `file sha256:${HEX}`,
      `file sha256:${HEX}`,
      `key sha256:${HEX}`,
    ])
    await writeFile(at('vex.json'), JSON.stringify(document))
    const imported = await importOpenVex(at('vex.json'))
    expect(imported).toMatchObject({ unnamed: 0, superseded: 0, subcomponents: 0, others: 0 })
    const reason = FEED
    expect(imported.entries).toEqual({
      rootDigests: [{ digest: `sha256:${HEX}`, reason }],
      fileDigests: [
        { digest: `sha256:${'b'.repeat(64)}`, reason },
        { digest: `blake2b:${'c'.repeat(128)}`, reason },
      ],
      packages: [{ purl: `pkg:huggingface/acme/vad@${COMMIT}`, reason }],
    })
  })

  test('is not exported if it would say nothing', async () => {
    await expect(exportOpenVex(await feedOf({ keys: [HEX] }))).rejects.toEqual(
      refusal('ADVISORY_INVALID', { expected: expect.stringContaining('a model, file or package') as string }),
    )
  })

  const statement = (status: string, ...products: object[]) => ({
    vulnerability: { name: 'CVE-2026-1' },
    products,
    status,
    action_statement: 'x',
  })
  const vex = (...statements: object[]) =>
    Buffer.from(
      JSON.stringify({
        '@context': 'https://openvex.dev/ns/v0.2.0',
        '@id': 'x:y',
        author: 'a',
        version: 1,
        statements,
      }),
    )

  test('by others is read: what is affected, and how much was not', async () => {
    const document = vex(
      statement(
        'affected',
        { '@id': `pkg:huggingface/acme/vad@${COMMIT}` },
        { hashes: { 'sha-256': HEX.toUpperCase(), md5: 'x' } },
      ),
      statement('affected', { '@id': 'https://product.example' }, { identifiers: { '@cpe23': 'cpe:x' } }),
      statement('fixed', { '@id': 'pkg:huggingface/acme/other' }),
    )
    await writeFile(at('vex.json'), document)
    expect(await importOpenVex(at('vex.json'))).toEqual({
      entries: {
        fileDigests: [{ digest: `sha256:${HEX}`, reason: 'CVE-2026-1' }],
        packages: [{ purl: `pkg:huggingface/acme/vad@${COMMIT}`, reason: 'CVE-2026-1' }],
      },
      unnamed: 2,
      superseded: 0,
      subcomponents: 0,
      others: 1,
    })
  })

  test('is exported with each product once, as its JSON Schema demands', async () => {
    const fileDigests = ['b'.repeat(64), `sha256:${'b'.repeat(64)}`]
    const packages = [`pkg:huggingface/acme/vad@${COMMIT}`, `pkg:huggingface/Acme/VAD@${COMMIT.toUpperCase()}`]
    const { document } = await exportOpenVex(await feedOf({ fileDigests, packages }))
    expect(document).toMatchObject({ statements: [{ products: [{}, {}] }] })
  })

  test('has the fields and formats of OpenVEX 0.2.0', async () => {
    const { document } = await exportOpenVex(await feedOf(entries))
    const { statements, ...header } = document as Record<string, string> & { statements: Record<string, unknown>[] }
    // "Document Struct Fields"
    expect(Object.keys(header).sort()).toEqual(['@context', '@id', 'author', 'timestamp', 'version'])
    expect([URL.canParse(header['@id']!), header.version]).toEqual([true, 1])
    expect(new Date(header.timestamp!).toISOString().replace('.000', '')).toBe(header.timestamp)
    for (const { products, vulnerability, ...fields } of statements) {
      // "Statement Fields": one with the status "affected" must say what to do.
      expect(fields).toMatchObject({ status: 'affected', action_statement: expect.any(String) as string })
      expect(Object.keys(fields).every((name) => /^(?:action_statement|status|status_notes)$/.test(name))).toBe(true)
      // "Vulnerability Struct Fields"
      expect(vulnerability).toHaveProperty('name', FEED)
      for (const product of products as Record<string, object | string>[]) {
        // "Component Fields"; Appendix A and B
        expect(Object.keys(product).every((name) => /^(?:@id|identifiers|hashes)$/.test(name))).toBe(true)
        expect(
          Object.keys({ ...(product.hashes as object) }).every((name) => /^(?:sha-256|blake2b-512)$/.test(name)),
        ).toBe(true)
        expect(Object.keys({ ...(product.identifiers as object) }).every((name) => name === 'purl')).toBe(true)
        expect(product['@id'] === undefined || URL.canParse(product['@id'] as string)).toBe(true)
      }
    }
  })

  describe('says of the same product and vulnerability', () => {
    const PURL = `pkg:huggingface/acme/vad@${COMMIT}`
    const product = { '@id': PURL, hashes: { 'sha-256': HEX } }
    const said = (status: string, day?: number, more: object = {}) => ({
      ...statement(status, product),
      ...(day === undefined ? {} : { timestamp: `2026-03-0${day}T00:00:00Z` }),
      ...more,
    })
    const imported = async (issued: string | undefined, ...statements: object[]) => {
      const json = JSON.parse(vex(...statements).toString()) as object
      await writeFile(at('vex.json'), JSON.stringify({ ...json, ...(issued && { timestamp: issued }) }))
      const { entries: found, ...counts } = await importOpenVex(at('vex.json'))
      return { ...counts, denied: [...(found.packages ?? []), ...(found.fileDigests ?? [])].length }
    }

    test.each(['fixed', 'not_affected', 'under_investigation'])('later that it is %s', async (status) => {
      const later = { denied: 0, superseded: 1, others: 1 }
      expect(await imported(undefined, said('affected', 1), said(status, 2))).toMatchObject(later)
      expect(await imported(undefined, said(status, 2), said('affected', 1))).toMatchObject(later)
      // "Inheritance Flow": a statement has the time of the document unless it has its own.
      expect(await imported('2026-03-02T00:00:00Z', said('affected', 1), said(status))).toMatchObject(later)
    })

    test.each<[string, string | undefined, object[]]>([
      ['that it was fixed before it was affected', undefined, [said('fixed', 1), said('affected', 2)]],
      [
        'that it was fixed before it was affected again',
        undefined,
        [said('affected', 1), said('fixed', 2), said('affected', 3)],
      ],
      ['both at the same time', '2026-03-02T00:00:00Z', [said('affected'), said('fixed')]],
      ['both at a time that is not known', undefined, [said('affected'), said('fixed')]],
      ['at an unknown time that it is fixed', undefined, [said('affected', 1), said('fixed')]],
      [
        'later that another vulnerability is fixed',
        undefined,
        [said('affected', 1), said('fixed', 2, { vulnerability: { name: 'CVE-2026-2' } })],
      ],
      [
        'later that a part of it is fixed',
        undefined,
        [said('affected', 1), said('fixed', 2, { products: [{ ...product, subcomponents: [{ '@id': 'pkg:a/b' }] }] })],
      ],
      [
        'later that another part of it is fixed',
        undefined,
        [
          said('affected', 1, { products: [{ ...product, subcomponents: [{ '@id': 'pkg:a/a' }] }] }),
          said('fixed', 2, { products: [{ ...product, subcomponents: [{ '@id': 'pkg:a/b' }] }] }),
        ],
      ],
    ])('%s: it is affected', async (_, issued, statements) => {
      expect(await imported(issued, ...statements)).toMatchObject({
        denied: expect.any(Number) as number,
        superseded: 0,
      })
      expect((await imported(issued, ...statements)).denied).toBeGreaterThanOrEqual(2)
    })

    test('later that the same part, or all of it, is fixed', async () => {
      const part = { products: [{ ...product, subcomponents: [{ '@id': 'pkg:a/b' }] }] }
      const fixed = { denied: 0, superseded: 1, subcomponents: 0 }
      expect(await imported(undefined, said('affected', 1, part), said('fixed', 2, part))).toMatchObject(fixed)
      expect(await imported(undefined, said('affected', 1, part), said('fixed', 2))).toMatchObject(fixed)
    })

    test('that one of its names is fixed: the other name stays affected', async () => {
      const fixed = said('fixed', 2, { products: [{ identifiers: { purl: PURL } }] })
      expect(await imported(undefined, said('affected', 1), fixed)).toMatchObject({ denied: 1, superseded: 0 })
    })
  })

  test('counts subcomponents, and statements without products, which are left out', async () => {
    const part = { '@id': `pkg:huggingface/acme/vad@${COMMIT}` }
    const whole = { '@id': 'pkg:oci/app', subcomponents: [part, { hashes: { 'sha-256': HEX } }] }
    const none = { ...statement('affected'), products: undefined }
    await writeFile(at('vex.json'), vex(statement('affected', whole), statement('affected'), none))
    expect(await importOpenVex(at('vex.json'))).toEqual({
      entries: { packages: [{ purl: 'pkg:oci/app', reason: 'CVE-2026-1' }] },
      unnamed: 2,
      superseded: 0,
      subcomponents: 2,
      others: 0,
    })
  })

  test.each<[string, ErrorCode, Buffer]>([
    ['another format', 'ADVISORY_INVALID', Buffer.from('{"bomFormat":"CycloneDX"}')],
    ['an unknown status', 'ADVISORY_INVALID', vex(statement('bad'))],
    ['a time without a zone', 'ADVISORY_INVALID', vex({ ...statement('fixed'), timestamp: '2026-03-01T00:00:00' })],
    [
      'the first version, which has no objects',
      'ADVISORY_INVALID',
      vex({ ...statement('fixed'), vulnerability: 'CVE-1' }),
    ],
    ['no JSON', 'JSON_INVALID', Buffer.from('x')],
  ])('is refused if it is %s', async (_, code, document) => {
    await writeFile(at('vex.json'), document)
    await expect(importOpenVex(at('vex.json'))).rejects.toEqual(refusal(code, { file: at('vex.json') }))
  })
})
