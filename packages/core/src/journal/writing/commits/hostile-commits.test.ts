import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { checkpointText } from '../../../merkle/checkpoint.ts'
import { GrowingTree, hashLeaf } from '../../../merkle/tree.ts'
import { TestJournal, type TestSegment } from '../../../testing/journals.ts'
import { refusal, scratch } from '../../../testing/scratch.ts'
import { leafBytes, readCommit, writeCommit, type Commit, type SegmentHead } from '../../format/commit.ts'
import { originOf } from '../../format/journal-file.ts'
import { commitFile, COMMITS, HEADS, KEY_FILE, PACKED, packFile } from '../../format/names.ts'
import { verifyJournal } from '../../reading/verify-journal.ts'
import { Commits } from './commits.ts'
import { openDirectory, type WritableJournal } from '../files/directory.ts'
import { runNow, runSoon } from '../files/file-work.ts'
import { JournalWriter } from '../writer.ts'

let made: TestJournal
let journal: WritableJournal
let victim: TestSegment
let checkpoint: string

/** A journal of two commits. The attacker can write to it, and has not its key. */
beforeEach(async () => {
  const directory = scratch()
  checkpoint = join(scratch(), 'left-the-host')
  made = new TestJournal(directory)
  writeFileSync(join(directory, KEY_FILE), made.key.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
  victim = made.segment()
  victim.commit()
  made.segment({ time: '2026-11-01T01:00:00.000Z' }).commit()
  journal = await openDirectory({ directory, host: undefined, key: undefined })
})

const pathOf = (index: number) => join(journal.path, COMMITS, commitFile(index))
const commitsHere = () =>
  [0, 1].map((index) => (readCommit(readFileSync(pathOf(index), 'utf8')) as { commit: Commit }).commit)
const headOf = ({ id, tree, bytes }: TestSegment): SegmentHead => ({
  ...{ segment: id, size: tree.size, root: tree.root().toString('hex'), bytes },
  time: '2026-11-02T00:00:00.000Z',
})
const honest = (): SegmentHead => ({ ...headOf(victim), segment: '1793600000000-0123456789abcdef' })
const publishing = () => new Commits(journal, { checkpoints: () => [{ file: checkpoint }] })

/** The commit that the attacker would like to be next, with the signature of the newest one. */
function forged(leaf: SegmentHead, before: readonly SegmentHead[] = commitsHere().map((one) => one.leaf)): string {
  const tree = new GrowingTree()
  for (const one of [...before, leaf]) tree.add(hashLeaf(leafBytes(one)))
  const text = checkpointText({ origin: originOf(journal.file), size: tree.size, root: tree.root() })
  const [, signature = ''] = commitsHere()[1]!.note.split('\n\n')
  const frontier = tree.subtrees.map((hash) => hash.toString('hex'))
  return writeCommit({ index: before.length, leaf, frontier, note: `${text}\n${signature}` })
}

const invented = () => commitsHere().map(({ leaf }) => ({ ...leaf, root: '00'.repeat(32) }))

describe.each([
  ['that retires a segment', () => forged({ ...headOf(victim), retired: true })],
  ['that ends a segment', () => forged({ ...headOf(victim), end: true })],
  ['over an invented history', () => forged(headOf(victim), invented())],
])('nothing is built on an unsigned commit %s', (_, made) => {
  test.each([
    ['begins', false],
    ['saw the commit before', true],
  ])('by a writer that %s', async (_, isAwake) => {
    const commits = publishing()
    if (isAwake) await runSoon(commits.newest())
    writeFileSync(pathOf(2), made())
    rmSync(victim.path)
    for (const publish of [
      () => runSoon(commits.publish(honest())),
      () => Promise.resolve().then(() => runNow(commits.publish(honest()))),
    ])
      await expect(publish()).rejects.toThrow(refusal('JOURNAL_INVALID'))
    expect([existsSync(pathOf(3)), existsSync(checkpoint)]).toEqual([false, false])
    const { problems } = await verifyJournal(journal.path)
    expect(problems.map(({ kind }) => kind)).toContain('missing')
  })
})

test('nothing is built on a signed commit that does not continue what the writer saw', async () => {
  const commits = publishing()
  await runSoon(commits.newest())
  // Somebody has the key after all: an older copy of it, or of the token.
  const other = new TestJournal(scratch())
  for (const head of invented()) other.commit(head)
  other.commit(honest())
  writeFileSync(pathOf(2), readFileSync(join(other.directory, COMMITS, commitFile(2))))
  await expect(runSoon(commits.publish(honest()))).rejects.toThrow(refusal('JOURNAL_INVALID'))
  expect(existsSync(pathOf(3))).toBe(false)
})

test.each([
  ['that is next', 0],
  ['that comes later', 3],
])('nor does a pack %s that nobody signed keep commits from the journal silently', async (_, number) => {
  writeFileSync(join(journal.path, HEADS, packFile(number)), forged(honest()).repeat(PACKED))
  await expect(runSoon(publishing().publish(honest()))).rejects.toThrow(refusal('JOURNAL_INVALID'))
  const seen = publishing()
  rmSync(join(journal.path, HEADS, packFile(number)))
  await runSoon(seen.newest())
  writeFileSync(join(journal.path, HEADS, packFile(0)), forged(honest()).repeat(PACKED))
  await expect(runSoon(seen.publish(honest()))).rejects.toThrow(refusal('JOURNAL_INVALID'))
  expect(existsSync(pathOf(2))).toBe(false)
})

describe('a writer', () => {
  const writer = () =>
    new JournalWriter({
      directory: journal.path,
      place: '',
      required: false,
      durability: 'each',
      service: 's',
      paths: 'full',
    })
  const record = (into: JournalWriter, isRequired: boolean) =>
    new Promise<void>((resolve, reject) =>
      into.add({
        make: () => [{ type: 'policy', time: '2026-11-02T00:00:00.000Z', path: 'p' }],
        isSynced: true,
        isRequired,
        ended: (failure) => (failure ? reject(failure) : resolve()),
        at: {},
      }),
    )

  test('refuses what is required while the newest commit is unsigned, and records the rest', async () => {
    writeFileSync(pathOf(2), forged({ ...headOf(victim), retired: true }))
    const begun = writer()
    await begun.start()
    await expect(record(begun, true)).rejects.toThrow(refusal('JOURNAL_INVALID'))
    await record(begun, false)
    await expect(record(begun, true)).rejects.toThrow(refusal('JOURNAL_INVALID'))
    rmSync(pathOf(2))
    await record(begun, true)
    begun.endNow([])
    expect(await verifyJournal(journal.path)).toMatchObject({ holds: true, uncovered: 0 })
  })

  test('also once it has begun', async () => {
    const begun = writer()
    await record(begun, true)
    await expect.poll(() => existsSync(pathOf(2)), { timeout: 10_000 }).toBe(true)
    const commits = new Commits(journal)
    const newest = (await runSoon(commits.newest()))!
    writeFileSync(pathOf(newest.index + 1), forged({ ...headOf(victim), retired: true }))
    await record(begun, false)
    await expect
      .poll(
        () =>
          record(begun, true).then(
            () => undefined,
            (error: unknown) => error,
          ),
        { timeout: 10_000 },
      )
      .toMatchObject({ code: 'JOURNAL_INVALID' })
    begun.endNow([])
    expect(existsSync(pathOf(newest.index + 2))).toBe(false)
  })
})
