import { createHash, createPrivateKey, createPublicKey, sign, type KeyObject } from 'node:crypto'
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { leafBytes, writeCommit, type SegmentHead } from '../journal/format/commit.ts'
import { describeJournal, originOf, writeJournalFile, type JournalFile } from '../journal/format/journal-file.ts'
import { writeLine } from '../journal/format/line.ts'
import {
  commitFile,
  COMMITS,
  HEADS,
  JOURNAL_FILE,
  PACKED,
  packFile,
  segmentFile,
  SEGMENTS,
} from '../journal/format/names.ts'
import type { JournalRecord, RecordOf } from '../journal/format/record.ts'
import { writerKeyOf, type WriterKey } from '../journal/format/writer-key.ts'
import { checkpointText } from '../merkle/checkpoint.ts'
import { noteKeyHash, writeNote } from '../merkle/signed-note.ts'
import { GrowingTree, hashLeaf } from '../merkle/tree.ts'

/** RFC 8410 7: what precedes the 32 bytes of a private key. */
const ED25519_PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex')

/** A journal for tests, made from the code of the format, with the times that the test names. */
export class TestJournal {
  readonly directory: string
  readonly file: JournalFile
  readonly key: KeyObject
  readonly tree = new GrowingTree()
  /** The checkpoint of each commit, as it could have left the host. */
  readonly notes: string[] = []
  /** Of its segments. */
  readonly writers = new Map<string, WriterKey>()
  readonly #publicKey: KeyObject
  #commits: string[] = []

  constructor(directory: string, host = 'host-a', seed = host) {
    this.directory = directory
    const digest = createHash('sha256').update(`journal ${seed}`).digest()
    this.key = privateKeyOf(digest)
    this.#publicKey = createPublicKey(this.key)
    const described = { nonce: digest.toString('hex', 0, 16), host, created: '2026-08-01T00:00:00.000Z' }
    this.file = describeJournal(described, this.#publicKey)
    for (const folder of [SEGMENTS, COMMITS, HEADS])
      mkdirSync(join(directory, folder), { recursive: true, mode: 0o700 })
    writeFileSync(join(directory, JOURNAL_FILE), writeJournalFile(this.file))
  }

  /** Begins a segment, of a new writer unless it continues one that is there. */
  segment(given: Partial<RecordOf<'segment'>> = {}, writer?: WriterKey): TestSegment {
    return new TestSegment(this, given, writer)
  }

  /** Adds a commit, packed as a writer does. @param key of another one, to forge it */
  commit(leaf: SegmentHead, key = this.key): void {
    const index = this.tree.size
    this.tree.add(hashLeaf(leafBytes(leaf)))
    const text = checkpointText({ origin: originOf(this.file), size: index + 1, root: this.tree.root() })
    const name = originOf(this.file)
    const signature = sign(null, Buffer.from(text), key)
    const note = writeNote({ text, signatures: [{ name, keyHash: noteKeyHash(name, this.#publicKey), signature }] })
    this.notes.push(note)
    const frontier = this.tree.subtrees.map((hash) => hash.toString('hex'))
    const line = writeCommit({ index, leaf, frontier, note })
    this.#commits.push(line)
    if (this.#commits.length < PACKED) {
      writeFileSync(join(this.directory, COMMITS, commitFile(index)), line)
      return
    }
    writeFileSync(join(this.directory, HEADS, packFile(Math.floor(index / PACKED))), this.#commits.join(''))
    this.#commits = []
  }
}

/** The same for all segments, as for those of one writer. */
const STARTED = '2026-11-01T00:00:00.000Z'

function privateKeyOf(seed: Buffer): KeyObject {
  return createPrivateKey({ key: Buffer.concat([ED25519_PKCS8, seed]), format: 'der', type: 'pkcs8' })
}

/** The key of a writer of this name. */
export function testWriter(name: string): WriterKey {
  const privateKey = privateKeyOf(createHash('sha256').update(`writer ${name}`).digest())
  return writerKeyOf({ privateKey, publicKey: createPublicKey(privateKey) })
}

/** What one writer appends. */
export class TestSegment {
  readonly id: string
  readonly tree = new GrowingTree()
  bytes = 0
  #check: string
  #waiting: Buffer[] = []
  readonly #journal: TestJournal
  #time: string

  constructor(journal: TestJournal, given: Partial<RecordOf<'segment'>>, known?: WriterKey) {
    const time = given.time ?? '2026-11-01T00:00:00.000Z'
    const random = createHash('sha256')
      .update(JSON.stringify([journal.file.id, journal.tree.size, given]))
      .digest('hex')
    this.id = given.segment ?? `${Date.parse(time)}-${random.slice(0, 16)}`
    this.#journal = journal
    this.#check = this.id
    this.#time = time
    const host = journal.file.host
    const process = { service: 'transcribe', host, pid: 4711, thread: 0, node: 'v22.23.3', modelseal: '0.1.0' }
    const { continues } = given
    const writer = known ?? journal.writers.get(continues ?? '') ?? testWriter(`${journal.file.id} ${this.id}`)
    journal.writers.set(this.id, writer)
    const signature = writer.sign({ journal: journal.file.id, segment: this.id, continues })
    const signed = { started: STARTED, key: writer.publicKey, signature }
    this.add({ type: 'segment', time, format: 1, segment: this.id, ...process, ...signed, ...given })
  }

  get path(): string {
    return join(this.#journal.directory, SEGMENTS, segmentFile(this.id))
  }

  /** @returns the number of the record */
  add(record: JournalRecord): number {
    const { bytes, check } = writeLine(record, this.#check)
    this.#check = check
    this.#time = record.time
    this.bytes += bytes.length
    this.tree.add(hashLeaf(bytes.subarray(0, -1)))
    this.#waiting.push(bytes)
    if (this.#waiting.length >= 1_000) this.flush()
    return this.tree.size - 1
  }

  flush(): void {
    appendFileSync(this.path, Buffer.concat(this.#waiting))
    this.#waiting = []
  }

  commit(more: { end?: true; retired?: true } = {}): void {
    this.flush()
    const { id, bytes, tree } = this
    const leaf = { segment: id, size: tree.size, root: tree.root().toString('hex'), bytes, time: this.#time, ...more }
    this.#journal.commit(leaf)
  }

  close(): void {
    this.add({ type: 'close', time: this.#time })
    this.commit({ end: true })
  }
}

/** A load, to be changed by the test. */
export function loadRecord(changes: Partial<RecordOf<'load'>> = {}): RecordOf<'load'> {
  return {
    type: 'load',
    time: '2026-11-02T10:00:00.000Z',
    decision: 'accepted',
    rule: 'models of ours',
    mode: 'enforce',
    model: { path: '/srv/models/vad', name: 'vad', format: 'onnx' },
    rootDigest: digestOf('vad'),
    policy: { path: '/etc/modelseal/policy.yaml', digest: digestOf('policy') },
    signers: [signerRecord('release')],
    claims: [],
    bytes: 1_000_000,
    durations: { policy: 1, verification: 2, hashing: 30 },
    ...changes,
  }
}

export function signerRecord(name: string): RecordOf<'load'>['signers'][number] {
  return { method: 'key', fingerprint: digestOf(`key ${name}`), name, counted: true }
}

/** A digest for tests: that of the name. */
export function digestOf(name: string): string {
  return createHash('sha256').update(name).digest('hex')
}
