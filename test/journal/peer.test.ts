import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { leafBytes, readCommit } from '../../packages/core/src/journal/format/commit.ts'
import { commitFile } from '../../packages/core/src/journal/format/names.ts'
import { consistencyProof, inclusionProof } from '../../packages/core/src/merkle/proofs.ts'
import { GrowingTree, hashLeaf } from '../../packages/core/src/merkle/tree.ts'
import { loadRecord, TestJournal, type TestSegment } from '../../packages/core/src/testing/journals.ts'

// Go's golang.org/x/mod/sumdb/note and tlog check the notes of a journal, and proofs over its two kinds of trees.

const COMMITS = 40

let directory: string
let journal: TestJournal
let segment: TestSegment
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'modelseal-peer-'))
  journal = new TestJournal(directory)
  segment = journal.segment()
  for (let index = 0; index < COMMITS; index++) {
    segment.add(loadRecord())
    segment.commit()
  }
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

function askPeer(question: object): string[] {
  const peer = process.env['JOURNAL_PEER'] ?? ''
  const { status, stdout, stderr } = spawnSync(peer, { input: JSON.stringify(question), encoding: 'utf8' })
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  return stdout.trimEnd().split('\n')
}

/** The entries of both trees: heads of segments, and lines of a segment. */
function trees(): Buffer[][] {
  const commits = Array.from({ length: COMMITS }, (_, index) => {
    const read = readCommit(readFileSync(join(directory, 'commits', commitFile(index)), 'utf8'))
    if (!('commit' in read)) throw new Error(read.fault)
    return leafBytes(read.commit.leaf)
  })
  const lines = readFileSync(segment.path, 'utf8').trimEnd().split('\n')
  return [commits, lines.map((line) => Buffer.from(line))]
}

function rootOf(entries: readonly Buffer[]): Buffer {
  const tree = new GrowingTree()
  for (const entry of entries) tree.add(hashLeaf(entry))
  return tree.root()
}

const nodesOf =
  (entries: readonly Buffer[]) =>
  (level: number, index: number): Buffer =>
    rootOf(entries.slice(index * 2 ** level, (index + 1) * 2 ** level))

const base64 = (bytes: Buffer) => bytes.toString('base64')

test('the key and every note are valid', () => {
  const said = askPeer({ key: journal.file.key, notes: journal.notes })
  expect(said.filter((line) => line.endsWith(' ok'))).toHaveLength(COMMITS + 1)
  expect(said.at(-1)).toBe(`modelseal.journal/${journal.file.id} ${COMMITS}`)
})

test('a note with another size is not valid', () => {
  const note = journal.notes[3]!.replace('\n4\n', '\n5\n')
  expect(askPeer({ key: journal.file.key, notes: [note] })[1]).toMatch(/^note FAILED: invalid signature/)
})

test('every inclusion proof is valid, and none for another entry', () => {
  for (const entries of trees()) {
    const size = entries.length
    const root = base64(rootOf(entries))
    const inclusion = entries.map((entry, index) => {
      const proof = inclusionProof(nodesOf(entries), index, size).map(base64)
      return { size, index, root, entry: base64(entry), proof }
    })
    const wrong = inclusion.map((one, index) => ({ ...one, entry: base64(entries[(index + 1) % size]!) }))
    const said = askPeer({ key: journal.file.key, inclusion: [...inclusion, ...wrong] }).slice(1)
    expect(said.slice(0, size)).toEqual(inclusion.map(() => 'inclusion ok'))
    expect(said.slice(size).every((line) => line.startsWith('inclusion FAILED'))).toBe(true)
  }
})

test('every consistency proof is valid, and none for another earlier tree', () => {
  for (const entries of trees()) {
    const size = entries.length
    const consistency = entries.map((_, index) => {
      const earlier = index + 1
      const proof = consistencyProof(nodesOf(entries), earlier, size).map(base64)
      const roots = { root: base64(rootOf(entries)), earlierRoot: base64(rootOf(entries.slice(0, earlier))) }
      return { earlier, size, ...roots, proof }
    })
    const wrong = consistency.slice(0, -1).map((one) => ({ ...one, earlierRoot: one.root }))
    const said = askPeer({ key: journal.file.key, consistency: [...consistency, ...wrong] }).slice(1)
    expect(said.slice(0, size)).toEqual(consistency.map(() => 'consistency ok'))
    expect(said.slice(size).every((line) => line.startsWith('consistency FAILED'))).toBe(true)
  }
})
