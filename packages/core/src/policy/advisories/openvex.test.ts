import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
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

  test('is not exported from what is not a feed', async () => {
    const { digest, ...feed } = await feedOf(entries)
    expect(digest).toBe(HEX)
    await expect(exportOpenVex({ ...feed, sequence: 0 } as never)).rejects.toEqual(refusal('INVALID_ARGUMENT'))
    await expect(exportOpenVex('x' as never)).rejects.toEqual(
      refusal('INVALID_ARGUMENT', { message: expect.stringContaining('exportOpenVex') as string }),
    )
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
})
