import { createHash } from 'node:crypto'
import { readFeed } from '../../../../packages/core/src/policy/advisories/feed-file.ts'
import { parseFeedSource } from '../../../../packages/core/src/policy/advisories/feed-source.ts'
import { writeFeedStatement, type FeedContent } from '../../../../packages/core/src/policy/advisories/feed-statement.ts'
import { canonicalJson } from '../../../../packages/core/src/schema/canonical-json.ts'
import { mustEqual, readOrRefusedLater, REFUSED, texts, textOf, type Target } from '../../target.ts'

const HEX = 'a'.repeat(64)
const CONTENT: FeedContent = {
  feed: 'https://models.example/advisories',
  sequence: 7,
  issued: '2026-11-01T00:00:00Z',
  expires: '2026-11-08T00:00:00Z',
  denied: {
    rootDigests: [{ digest: `sha256:${HEX}`, reason: 'poisoned', severity: 'critical' }, 'b'.repeat(64)],
    fileDigests: [`blake3:${HEX}`],
    keys: [HEX, { fingerprint: 'c'.repeat(64), from: '2026-10-01T00:00:00Z' }],
    certificates: [{ serial: '0a', issuer: 'CN=CA' }],
    identities: [{ identity: { regexp: 'b.*' } }, { identity: { pattern: '*@evil.example' }, severity: 'low' }],
    claims: [HEX],
    packages: ['pkg:huggingface/acme/vad@0123456789abcdef0123456789abcdef01234567'],
  },
}

// The predicate of a feed, to which the statement is added; and the source that a publisher writes.
const target: Target = {
  dictionary: [
    HEX,
    '"reason":',
    '"from":',
    '"until":',
    '"pattern":',
    '"regexp":',
    '"__proto__":',
    '\\u0000',
    'pkg:oci/',
  ],
  seeds: () =>
    texts(
      predicateOf(CONTENT),
      predicateOf({ ...CONTENT, denied: { rootDigests: [HEX] } }),
      `feed: acme\nexpires: 7d\ndenied:\n  rootDigests:\n    - { digest: ${HEX}, reason: x }\n`,
    ),
  async check(input) {
    await readOrRefusedLater(() => parseFeedSource(input, '/feed.yaml'))
    const text = textOf(input)
    const statement = text === undefined ? undefined : statementOf(text)
    if (statement === undefined) return
    const feed = await readOrRefusedLater(() => readFeed(statement))
    if (feed === REFUSED) return
    const again = writeFeedStatement(feed)
    mustEqual((await readFeed(again)).denied, feed.denied, 'What it denies, written again')
    const { predicate } = JSON.parse(statement.toString()) as { predicate: { denied: Record<string, unknown[]> } }
    for (const [list, entries] of Object.entries(predicate.denied)) {
      const found = (feed.denied as Record<string, readonly unknown[] | undefined>)[list]
      mustEqual(found?.length ?? 0, entries.length, `The number of denied ${list}`)
    }
  },
}
export default target

function predicateOf(content: FeedContent): string {
  const { predicate } = JSON.parse(writeFeedStatement(content).toString()) as { predicate: object }
  return JSON.stringify(predicate)
}

function statementOf(text: string): Buffer | undefined {
  try {
    const predicate = JSON.parse(text) as { feed: string }
    const sha256 = createHash('sha256').update(canonicalJson(predicate)).digest('hex')
    const subject = JSON.stringify([{ name: predicate.feed, digest: { sha256 } }])
    return Buffer.from(
      `{"_type":"https://in-toto.io/Statement/v1","subject":${subject},"predicateType":"urn:modelseal:advisory-feed:0.1","predicate":${text}}`,
    )
  } catch {
    return undefined
  }
}
