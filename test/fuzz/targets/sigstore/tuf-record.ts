import { createHash, createPublicKey, generateKeyPairSync, hash, sign, verify } from 'node:crypto'
import { verifyRecord } from '../../../../packages/core/src/verification/tuf/record.ts'
import { parseRecord, recordText, type TufRecord } from '../../../../packages/core/src/verification/tuf/record-text.ts'
import { mustEqual, readOrRefused, readOrRefusedLater, REFUSED, texts, textOf, type Target } from '../../target.ts'

// An input is either the text of a record; or root metadata, the other metadata and the trusted root, which are signed here:
// S:NAME stands for a signature by a key, P:NAME for the public key, HASH and LENGTH for those of the part that follows.

const BETWEEN = '\n--\n'
const NAMES = ['root', 'other', 'timestamp', 'snapshot', 'targets', 'stranger'] as const
const KEYS = new Map<string, ReturnType<typeof keyPair>>(NAMES.map((name) => [name, keyPair()]))
const COMMON = { spec_version: '1.0.0', version: 1, expires: '2030-01-01T00:00:00Z' }
const TRUSTED_ROOT = '{"mediaType":"x"}'
const ROOT = {
  _type: 'root',
  ...COMMON,
  keys: Object.fromEntries(NAMES.slice(0, -1).map((name) => [name, key(`P:${name}`)])),
  roles: {
    root: { keyids: ['root', 'other'], threshold: 2 },
    ...Object.fromEntries(NAMES.slice(2, -1).map((name) => [name, { keyids: [name], threshold: 1 }])),
  },
  consistent_snapshot: true,
}
const LISTED = { length: 'LENGTH', hashes: { sha256: 'HASH' } }
const TIMESTAMP = signed({ _type: 'timestamp', ...COMMON, meta: { 'snapshot.json': { version: 1, ...LISTED } } })
const SNAPSHOT = signed({ _type: 'snapshot', ...COMMON, meta: { 'targets.json': { version: 1, ...LISTED } } })
const TARGETS = signed({ _type: 'targets', ...COMMON, targets: { 'trusted_root.json': LISTED } })
const REST = [TIMESTAMP, SNAPSHOT, TARGETS, TRUSTED_ROOT]
const ANCHOR = Buffer.from(filled(signed(ROOT, 'root', 'other')))
const REPOSITORY = { name: 'x', url: 'https://tuf.example', anchor: ANCHOR, included: undefined }

const target: Target = {
  longest: 8192,
  dictionary: [
    BETWEEN,
    '"HASH"',
    '"LENGTH"',
    '"__proto__":',
    '"expires":"2031-01-01T00:00:00Z"',
    '"threshold":2',
    '"sha512":"x"',
    '"constructor"',
    'modelseal-tuf-record-1',
    ...NAMES.flatMap((name) => [`S:${name}`, `P:${name}`, `{"keyid":"${name}","sig":"S:${name}"}`]),
  ],
  seeds() {
    const next = signed({ ...ROOT, version: 2 }, 'root', 'other')
    const roles = { ...ROOT.roles, timestamp: { keyids: ['timestamp', 'other'], threshold: 2 } }
    const stricter = signed({ ...ROOT, version: 3, roles }, 'root', 'other')
    const unsigned = signed({ ...ROOT, version: 2 }, 'root', 'stranger')
    const newer = signed({ _type: 'timestamp', ...COMMON, meta: { 'snapshot.json': { version: 2 } } })
    const keys = Object.fromEntries(NAMES.map((name) => [name, key(`P:${name}`)]))
    const others = { ...ROOT.roles, root: { keyids: ['stranger'], threshold: 1 } }
    const [foreign, alien] = [['root', 'other'], ['stranger']].map((by) =>
      signed({ ...ROOT, keys, roles: others, version: 2 }, ...by),
    ) as [string, string]
    const records = [REST, [next, ...REST], [next, stricter, ...REST], [unsigned, ...REST], [newer, ...REST.slice(1)]]
    // Everything that is signed is also there with a signature of somebody else, and for other bytes.
    const forged = REST.map((_, index) =>
      REST.map((part, at) => (at === index ? part.replace(/S:\w+/g, 'S:stranger') : part)),
    )
    const other = REST.map((_, index) =>
      REST.map((part, at) => (at === index ? part.replace('HASH', 'b'.repeat(64)) : part)),
    )
    return texts(
      ...[...records, ...forged, ...other, [foreign, ...REST], [alien, ...REST]].map((parts) => parts.join(BETWEEN)),
      recordText(recordOf(REST)),
      recordText({ ...recordOf([next, ...REST]), signingConfig: Buffer.from('{}') }),
    )
  },
  async check(input) {
    const text = textOf(input)
    if (text === undefined) return
    checkText(text)
    const parts = text.split(BETWEEN)
    if (parts.length < REST.length) return
    const record = recordOf(parts)
    const read = await readOrRefusedLater(() => verifyRecord(record, REPOSITORY))
    if (read === REFUSED) return
    const root = trustedRoot(record.roots)
    mustEqual(JSON.parse(read.root.toString()), root, 'The root')
    const timestamp = verified(root, 'timestamp', record.timestamp)
    mustBe(timestamp.meta?.['snapshot.json'], record.snapshot)
    const snapshot = verified(root, 'snapshot', record.snapshot)
    mustEqual(snapshot.version, timestamp.meta?.['snapshot.json']?.version, 'The version of the snapshot')
    mustBe(snapshot.meta?.['targets.json'], record.targets)
    const targets = verified(root, 'targets', record.targets)
    mustEqual(targets.version, snapshot.meta?.['targets.json']?.version, 'The version of the targets')
    const listed = targets.targets?.['trusted_root.json']
    if (listed?.length === undefined) throw new Error('It has no length.')
    mustBe(listed, record.trustedRoot)
    const ends = [root.signed, timestamp, snapshot, targets].map(({ expires }) => new Date(expires).getTime())
    mustEqual(read.expires, new Date(Math.min(...ends)).toISOString(), 'When it expires')
  },
}
export default target

interface File {
  version?: number
  length?: number
  hashes?: Record<string, string>
}

interface Signed {
  version: number
  expires: string
  meta?: Record<string, File>
  targets?: Record<string, File>
}

interface Metadata<Content = Signed> {
  signatures: { keyid: string; sig: string }[]
  signed: Content
}

interface Root extends Signed {
  keys: Record<string, { keytype: string; scheme: string; keyval: { public: string } }>
  roles: Record<string, { keyids: string[]; threshold: number }>
}

/** The text of a record, and what it contains. */
function checkText(text: string): void {
  const read = readOrRefused(() => parseRecord(Buffer.from(text), '/record'))
  if (read === REFUSED) return
  const { fetched, roots, ...files } = read
  const json = JSON.parse(text) as Record<string, string> & { roots: string[] }
  mustEqual([fetched, roots.map(latin1)], [json.fetched, json.roots.map(atob)], 'The roots')
  for (const [name, bytes] of Object.entries(files))
    mustEqual(bytes && latin1(bytes), json[name] === undefined ? undefined : atob(json[name]), name)
  mustEqual(parseRecord(Buffer.from(recordText(read)), '/record'), read, 'The record, written again')
}

function latin1(bytes: Buffer): string {
  return bytes.toString('latin1')
}

/** TUF 1.0.33, 5.3. */
function trustedRoot(roots: readonly Buffer[]): Metadata<Root> {
  let trusted = JSON.parse(ANCHOR.toString()) as Metadata<Root>
  for (const bytes of roots) {
    const next = JSON.parse(bytes.toString()) as Metadata<Root>
    if (next.signed.version <= trusted.signed.version) continue
    mustEqual(next.signed.version, trusted.signed.version + 1, 'The version of the root')
    for (const by of [trusted, next]) mustBeSigned(by, 'root', next)
    trusted = next
  }
  return trusted
}

function verified(root: Metadata<Root>, role: string, bytes: Buffer): Signed {
  const metadata = JSON.parse(bytes.toString()) as Metadata
  mustBeSigned(root, role, metadata)
  return metadata.signed
}

function mustBeSigned({ signed: { keys, roles } }: Metadata<Root>, name: string, metadata: Metadata<unknown>): void {
  const { keyids, threshold } = roles[name] ?? { keyids: [], threshold: 1 }
  const data = Buffer.from(canonical(metadata.signed))
  const signers = new Set(
    keyids.filter((id) => {
      const { keyval } = Object.hasOwn(keys, id) ? (keys[id] ?? {}) : {}
      const sigs = metadata.signatures.filter(({ keyid }) => keyid === id)
      return sigs.some(({ sig }) =>
        verify('sha256', data, createPublicKey(keyval?.public ?? ''), Buffer.from(sig, 'hex')),
      )
    }),
  )
  if (!(signers.size >= threshold && threshold >= 1)) throw new Error(`The ${name} is signed by ${signers.size} keys.`)
}

function mustBe(file: File | undefined, bytes: Buffer): void {
  if (!file) throw new Error('It is not listed.')
  if (file.length !== undefined) mustEqual(bytes.length, file.length, 'The length')
  for (const [algorithm, digest] of Object.entries(file.hashes ?? {}))
    mustEqual(createHash(algorithm).update(bytes).digest('hex'), digest, 'The digest')
}

/** OLPC canonical JSON. */
function canonical(value: unknown): string {
  if (typeof value === 'string') return `"${value.replace(/["\\]/g, '\\$&')}"`
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const entries = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1))
  return `{${entries.map(([name, each]) => `${canonical(name)}:${canonical(each)}`).join()}}`
}

function recordOf(parts: readonly string[]): TufRecord {
  const rest = parts.slice(-REST.length).reduceRight<string[]>((after, part) => {
    const following = after[0]
    return [following === undefined ? part : filled(part, following), ...after]
  }, [])
  const [timestamp, snapshot, targets, trustedRoot] = rest.map((text) => Buffer.from(text)) as [
    Buffer,
    Buffer,
    Buffer,
    Buffer,
  ]
  const roots = parts.slice(0, -REST.length).map((part) => Buffer.from(filled(part)))
  return { fetched: '2026-11-01T00:00:00.000Z', roots, timestamp, snapshot, targets, trustedRoot }
}

/** Replaces what stands for keys, digests and lengths, and then what stands for signatures. */
function filled(text: string, following = ''): string {
  const content = text
    .replaceAll('"HASH"', `"${hash('sha256', following)}"`)
    .replaceAll('"LENGTH"', String(Buffer.byteLength(following)))
    .replace(/"P:(\w+)"/g, (whole, name: string) => JSON.stringify(KEYS.get(name)?.pem ?? whole))
  const data = dataOf(content)
  return content.replace(/"S:(\w+)"/g, (whole, name: string) => {
    const privateKey = KEYS.get(name)?.privateKey
    return privateKey && data ? `"${sign('sha256', data, privateKey).toString('hex')}"` : whole
  })
}

function dataOf(text: string): Buffer | undefined {
  try {
    return Buffer.from(canonical((JSON.parse(text) as Metadata).signed))
  } catch {
    return undefined
  }
}

function signed(content: { _type: string; [field: string]: unknown }, ...by: string[]): string {
  const names = by.length === 0 ? [content._type] : by
  return JSON.stringify({ signatures: names.map((name) => ({ keyid: name, sig: `S:${name}` })), signed: content })
}

function key(pem: string): object {
  return { keytype: 'ecdsa', scheme: 'ecdsa-sha2-nistp256', keyval: { public: pem } }
}

function keyPair() {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return { privateKey, pem: String(publicKey.export({ type: 'spki', format: 'pem' })) }
}
