import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { at } from '../at.ts'
import { parseCheckpoint } from '../merkle/checkpoint.ts'
import { isNoteSignedBy } from '../merkle/signed-note.ts'
import { GrowingTree, hashLeaf } from '../merkle/tree.ts'
import { leafBytes, readCommit, type Commit } from '../journal/format/commit.ts'
import { originOf, readJournalFile } from '../journal/format/journal-file.ts'
import { readLine } from '../journal/format/line.ts'
import { commitFile, commitIn, COMMITS, HEADS, PACKED, segmentIn, SEGMENTS } from '../journal/format/names.ts'
import type { JournalRecord } from '../journal/format/record.ts'
import { readVerifierKey } from '../journal/format/verifier-key.ts'

/** A segment as a test reads it. */
export interface ReadSegment {
  id: string
  records: JournalRecord[]
  /** What follows the last complete line. */
  tail: string
}

/** Reads all segments of a journal, oldest first; throws at the first line that is not as it was written. */
export function segmentsOf(directory: string): ReadSegment[] {
  return readdirSync(join(directory, SEGMENTS))
    .sort()
    .map((name) => readSegment(segmentIn(name) ?? name, readFileSync(join(directory, SEGMENTS, name))))
}

export function recordsOf(directory: string): JournalRecord[] {
  return segmentsOf(directory).flatMap(({ records }) => records)
}

export function readSegment(id: string, bytes: Buffer): ReadSegment {
  const end = bytes.lastIndexOf(10) + 1
  const lines = bytes.subarray(0, end).toString().split('\n').slice(0, -1)
  let before = id
  const records = lines.map((text, index) => {
    const line = readLine(Buffer.from(text), before)
    if (!('record' in line)) throw new Error(`${id}, record ${index}: ${line.fault}`)
    before = line.check
    return line.record
  })
  return { id, records, tail: bytes.subarray(end).toString() }
}

/** Reads all commits, packed or not, and checks their tree and their signatures, and that each head is a prefix of its segment. */
export function commitsOf(directory: string): Commit[] {
  const { journal } = readJournalFile(readFileSync(join(directory, 'journal.json'), 'utf8')) as {
    journal: Parameters<typeof originOf>[0] & { key: string }
  }
  const { key } = there(readVerifierKey(journal.key))
  const packed = readdirSync(join(directory, HEADS))
    .sort()
    .flatMap((name) => readFileSync(join(directory, HEADS, name), 'utf8').split(/(?<=\n)/))
  const names = readdirSync(join(directory, COMMITS)).flatMap((name) => commitIn(name) ?? [])
  const last = Math.max(packed.length - 1, ...names)
  const texts = Array.from({ length: last + 1 }, (_, index) =>
    index < packed.length ? at(packed, index) : readFileSync(join(directory, COMMITS, commitFile(index)), 'utf8'),
  )
  if (packed.length % PACKED !== 0) throw new Error('a pack is not complete')
  const retired = new Set(
    texts.flatMap((text) => (text.includes('"retired":true') ? there(/"segment":"([^"]+)"/.exec(text)).slice(1) : [])),
  )
  const tree = new GrowingTree()
  return texts.map((text, index) => {
    const read = readCommit(text)
    if (!('commit' in read)) throw new Error(`commit ${index}: ${read.fault}`)
    const { commit } = read
    tree.add(hashLeaf(leafBytes(commit.leaf)))
    const { checkpoint, note } = there(parseCheckpoint(commit.note))
    const isRight =
      commit.index === index &&
      checkpoint.origin === originOf(journal) &&
      checkpoint.size === index + 1 &&
      checkpoint.root.equals(tree.root()) &&
      isNoteSignedBy(note, originOf(journal), key) &&
      (retired.has(commit.leaf.segment) || isPrefix(directory, commit))
    if (!isRight) throw new Error(`the commit ${index} does not hold`)
    return commit
  })
}

function isPrefix(directory: string, { leaf }: Commit): boolean {
  const path = join(directory, SEGMENTS, `${leaf.segment}.jsonl`)
  const bytes = readFileSync(path).subarray(0, leaf.bytes)
  const tree = new GrowingTree()
  for (const line of bytes.toString().split('\n').slice(0, -1)) tree.add(hashLeaf(Buffer.from(line)))
  return tree.size === leaf.size && tree.root().toString('hex') === leaf.root && bytes.length === leaf.bytes
}

function there<T>(value: T | null | undefined): T {
  if (value === undefined || value === null) throw new Error('the journal is not what it should be')
  return value
}
