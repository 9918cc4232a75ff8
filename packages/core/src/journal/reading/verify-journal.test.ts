import {
  appendFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { generateKeyPairSync } from 'node:crypto'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { digestOf, loadRecord, TestJournal } from '../../testing/journals.ts'
import { refusal, scratch } from '../../testing/scratch.ts'
import { parseNote, signNote, writeNote } from '../../merkle/signed-note.ts'
import { originOf } from '../format/journal-file.ts'
import { verifierKey } from '../format/verifier-key.ts'
import { listedNames } from './listed-names.ts'
import { problemLine } from './problems.ts'
import { readJournal, verifyJournal } from './verify-journal.ts'

vi.mock('./listed-names.ts', { spy: true })

function journalWith({ loads = 5, tail = 0, digests = 'model', directory = join(scratch(), 'journal') } = {}) {
  mkdirSync(directory)
  const journal = new TestJournal(directory)
  const segment = journal.segment()
  for (let index = 0; index < loads; index++) {
    segment.add(loadRecord({ rootDigest: digestOf(`${digests} ${index}`) }))
    segment.commit()
  }
  for (let index = 0; index < tail; index++) segment.add(loadRecord())
  segment.flush()
  return { journal, segment, directory }
}

const kinds = (report: { problems: readonly { kind: string }[] }) => report.problems.map(({ kind }) => kind)

test('a journal that nobody changed holds', async () => {
  const { directory, journal } = journalWith({ loads: 5, tail: 2 })
  const report = await verifyJournal(directory)
  expect(report).toMatchObject({ holds: true, problems: [], more: 0, segments: 1, records: 8, uncovered: 2, torn: 0 })
  expect(report.checkpoint).toMatchObject({ size: 5, root: journal.tree.root().toString('hex') })
  expect(report).toMatchObject({ pinned: false, host: 'host-a', id: journal.file.id, key: journal.file.key })
  expect(await verifyJournal(directory, { key: journal.file.key })).toMatchObject({ holds: true, pinned: true })
})

test('commits in packs are read, and continue in single files', async () => {
  const { directory, journal } = journalWith({ loads: 600 })
  for (let index = 0; index < 512; index += 40)
    rmSync(join(directory, 'commits', `${String(index).padStart(10, '0')}.json`), { force: true })
  expect(await verifyJournal(directory)).toMatchObject({ holds: true, records: 601, checkpoint: { size: 600 } })
  const checkpoint = join(directory, '../checkpoint')
  writeFileSync(checkpoint, journal.notes[299]!)
  expect(await verifyJournal(directory, { checkpoint })).toMatchObject({ holds: true, compared: 300 })
})

test('records are passed on in their order', async () => {
  const { directory, segment } = journalWith({ loads: 3 })
  const seen: unknown[] = []
  await readJournal(
    directory,
    (entries) => void seen.push(...entries.map((one) => [one.segment, one.index, one.record.type])),
  )
  expect(seen).toEqual([0, 1, 2, 3].map((index) => [segment.id, index, index === 0 ? 'segment' : 'load']))
})

test('one changed bit in any byte of any file makes it fail', async () => {
  const { directory, journal, segment } = journalWith({ loads: 0 })
  const policy = { type: 'policy', time: '2026-11-02T10:00:00.000Z', path: 'p' } as const
  segment.add(policy)
  segment.commit()
  // No commit covers this one.
  segment.add(policy)
  segment.flush()
  writeFileSync(join(directory, 'host.key'), journal.key.export({ type: 'pkcs8', format: 'pem' }))
  const files = readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter((name) => name.includes('.'))
  expect(files).toHaveLength(4)
  for (const name of files) {
    const path = join(directory, name)
    const bytes = readFileSync(path)
    for (let at = 0; at < bytes.length; at++) {
      const changed = Buffer.from(bytes)
      changed[at]! ^= 1 << (at % 8)
      writeFileSync(path, changed)
      const outcome = await verifyJournal(directory).catch((error: unknown) => error as { code: string })
      const isSeen = 'holds' in outcome ? !outcome.holds : outcome.code === 'JOURNAL_INVALID'
      expect(isSeen, `${name} ${at}`).toBe(true)
    }
    writeFileSync(path, bytes)
  }
  expect((await verifyJournal(directory)).holds).toBe(true)
}, 60_000)

test('one changed bit in a pack, or in a commit that is packed too, makes it fail', async () => {
  const { directory } = journalWith({ loads: 256 })
  const pack = join(directory, 'heads/00000000.jsonl')
  const bytes = readFileSync(pack)
  const lineOf128 = bytes
    .toString()
    .split(/(?<=\n)/, 128)
    .join('').length
  for (const [path, first, last, step] of [
    [pack, lineOf128, bytes.indexOf(10, lineOf128), 9],
    [pack, 0, bytes.length - 1, 6_001],
    [join(directory, 'commits/0000000007.json'), 0, 300, 17],
  ] as const) {
    const whole = readFileSync(path)
    for (let at = first; at <= last; at += step) {
      const changed = Buffer.from(whole)
      changed[at]! ^= 1 << (at % 8)
      writeFileSync(path, changed)
      expect((await verifyJournal(directory)).holds, `${path} ${at}`).toBe(false)
    }
    writeFileSync(path, whole)
  }
  expect((await verifyJournal(directory)).holds).toBe(true)
}, 60_000)

test('a private key of another journal in the directory is found', async () => {
  const { directory } = journalWith()
  const { privateKey } = generateKeyPairSync('ed25519')
  writeFileSync(join(directory, 'host.key'), privateKey.export({ type: 'pkcs8', format: 'pem' }))
  expect((await verifyJournal(directory)).problems).toEqual([
    { kind: 'key', file: 'host.key', problem: 'it is not the key of the journal' },
  ])
})

test('a segment cut at any byte is torn where no commit covers it, and truncated where one does', async () => {
  const { directory, segment } = journalWith({ loads: 1, tail: 1 })
  const whole = readFileSync(segment.path)
  const covered = whole.indexOf(10, whole.indexOf(10) + 1) + 1
  for (let size = whole.length - 1; size >= 0; size--) {
    truncateSync(segment.path, size)
    const report = await verifyJournal(directory)
    if (size >= covered) expect(report).toMatchObject({ holds: true, torn: size - covered, records: 2 })
    else expect(kinds(report)).toEqual(['truncated'])
  }
}, 60_000)

test.each([
  ['removed', (lines: string[]) => lines.splice(2, 1)],
  ['exchanged', (lines: string[]) => lines.splice(2, 2, lines[3]!, lines[2]!)],
  ['repeated', (lines: string[]) => lines.splice(2, 0, lines[2]!)],
  ['put before the first', (lines: string[]) => lines.unshift(lines[1]!)],
])('a line that was %s is found, also where no commit covers it', async (_, change) => {
  for (const shape of [{ loads: 5 }, { loads: 0, tail: 5 }]) {
    const { directory, segment } = journalWith(shape)
    const lines = readFileSync(segment.path, 'utf8').split(/(?<=\n)/)
    change(lines)
    writeFileSync(segment.path, lines.join(''))
    const report = await verifyJournal(directory)
    expect(kinds(report)[0]).toBe('line')
    expect(report.problems[0]?.file).toBe(`segments/${segment.id}.jsonl`)
  }
})

test('lines of another segment, of another version and of gigabytes are found', async () => {
  const { directory, journal, segment } = journalWith()
  const other = journal.segment({ service: 'other', time: '2026-11-01T00:00:01.000Z' })
  other.add(loadRecord())
  other.flush()
  const whole = readFileSync(segment.path)
  appendFileSync(segment.path, readFileSync(other.path))
  expect(kinds(await verifyJournal(directory))).toContain('line')
  writeFileSync(segment.path, Buffer.concat([whole, Buffer.alloc(70_000, 'x')]))
  expect((await verifyJournal(directory)).problems[0]).toMatchObject({
    kind: 'line',
    problem: 'it has more than 65536 bytes',
  })
  // A file that is sparse: nothing of it is kept in memory.
  writeFileSync(segment.path, whole)
  truncateSync(segment.path, 2 ** 33)
  const before = process.memoryUsage.rss()
  expect(kinds(await verifyJournal(directory))).toEqual(['line'])
  expect(process.memoryUsage.rss() - before).toBeLessThan(64 * 2 ** 20)
  writeFileSync(segment.path, whole)
  // Canonical and with a valid check, but of a type that this version does not know.
  const unknown = journal.segment({ service: 'future', time: '2026-11-01T00:00:02.000Z' })
  unknown.add({ type: 'future', time: '2026-11-01T00:00:02.000Z' } as never)
  unknown.commit()
  expect((await verifyJournal(directory)).problems).toMatchObject([
    { kind: 'line', index: 1, problem: 'it is of an unknown type' },
  ])
})

test('a segment under the name of another one is refused', async () => {
  const { directory, segment } = journalWith({ loads: 0, tail: 2 })
  renameSync(segment.path, segment.path.replace(/[0-9a-f]{16}\.jsonl$/, '0123456789abcdef.jsonl'))
  expect(kinds(await verifyJournal(directory))[0]).toBe('line')
})

test('a missing segment is found, unless it was retired', async () => {
  const { directory, journal, segment } = journalWith()
  rmSync(segment.path)
  expect(kinds(await verifyJournal(directory))).toEqual(['missing'])
  const other = journal.segment({ service: 'other' })
  other.close()
  other.commit({ end: true, retired: true })
  rmSync(other.path)
  const report = await verifyJournal(directory)
  expect(kinds(report)).toEqual(['missing'])
  expect(report.retired).toBe(1)
})

test('a segment that is retired while the others are read is not missing', async () => {
  const { directory, journal, segment } = journalWith()
  const other = journal.segment({ service: 'other', time: '2026-11-02T00:00:00.000Z' })
  other.close()
  const report = await readJournal(directory, (entries) => {
    if (entries[0]?.segment !== segment.id) throw new Error('the other segment was read')
    other.commit({ retired: true })
    rmSync(other.path)
  })
  expect(report).toMatchObject({ holds: true, problems: [], records: 6 })
})

test('a segment that is deleted while the others are read is missing', async () => {
  const { directory, journal } = journalWith()
  const other = journal.segment({ service: 'other', time: '2026-11-02T00:00:00.000Z' })
  other.close()
  expect(kinds(await readJournal(directory, () => rmSync(other.path)))).toEqual(['missing'])
})

test('a commit with a shorter head of its segment is named by its number', async () => {
  const { directory, journal, segment } = journalWith({ loads: 3 })
  journal.commit({ segment: segment.id, size: 1, root: 'aa'.repeat(32), bytes: 1, time: '2026-11-02T10:00:00.000Z' })
  const { problems } = await verifyJournal(directory)
  expect(problems.map(problemLine)).toEqual([
    `"segments/${segment.id}.jsonl", commit 3: the segment is shorter than in a commit before`,
  ])
})

test('a missing commit is found', async () => {
  const { directory } = journalWith()
  rmSync(join(directory, 'commits/0000000002.json'))
  expect((await verifyJournal(directory)).problems).toMatchObject([{ kind: 'missing', index: 2 }])
})

test('a commit that is packed and differs in its own file is found', async () => {
  const { directory } = journalWith({ loads: 300 })
  const path = join(directory, 'commits/0000000007.json')
  writeFileSync(path, readFileSync(path, 'utf8').replace('"size":9', '"size":8'))
  expect((await verifyJournal(directory)).problems).toMatchObject([{ kind: 'commit', index: 7 }])
})

test('a segment that goes on after its end is found', async () => {
  const { directory, segment } = journalWith()
  segment.close()
  segment.add(loadRecord())
  segment.flush()
  expect(kinds(await verifyJournal(directory))).toEqual(['head'])
})

test('only a checkpoint that left the host shows that the newest commits were removed', async () => {
  const { directory, journal, segment } = journalWith({ loads: 4 })
  const before = `${directory}-before`
  cpSync(directory, before, { recursive: true })
  segment.add(loadRecord())
  segment.commit()
  const checkpoint = join(scratch(), 'checkpoint')
  writeFileSync(checkpoint, journal.notes.at(-1)!)
  expect(await verifyJournal(directory, { checkpoint })).toMatchObject({ holds: true, compared: 5 })
  for (const copied of [`${journal.notes.at(-1)!}\n`, journal.notes.at(-1)!.trimEnd()]) {
    writeFileSync(checkpoint, copied)
    expect(await verifyJournal(directory, { checkpoint })).toMatchObject({ holds: true, compared: 5 })
  }
  expect((await verifyJournal(before)).holds).toBe(true)
  expect(kinds(await verifyJournal(before, { checkpoint }))).toEqual(['rollback'])
})

test('only a checkpoint that left the host shows that the holder of the key wrote another history', async () => {
  const { directory } = journalWith({ loads: 4 })
  const other = journalWith({ loads: 3, digests: 'other' })
  const checkpoint = join(scratch(), 'checkpoint')
  writeFileSync(checkpoint, other.journal.notes[2]!)
  expect(kinds(await verifyJournal(directory, { checkpoint }))).toEqual(['rollback'])
})

test('a checkpoint that another key signed is refused, and so are commits if the given key is another', async () => {
  const { directory, journal } = journalWith({ loads: 4 })
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const { text } = parseNote(journal.notes[2]!)!
  const checkpoint = join(scratch(), 'checkpoint')
  const signatures = [signNote(text, originOf(journal.file), privateKey, publicKey)]
  writeFileSync(checkpoint, writeNote({ text, signatures }))
  await expect(verifyJournal(directory, { checkpoint })).rejects.toThrow(refusal('JOURNAL_INVALID'))
  const key = verifierKey(originOf(journal.file), publicKey)
  await expect(verifyJournal(directory, { key })).rejects.toThrow(refusal('KEY_MISMATCH'))
  rmSync(join(directory, 'commits'), { recursive: true })
  const pem = join(scratch({ pem: publicKey.export({ type: 'spki', format: 'pem' }) as string }), 'pem')
  await expect(verifyJournal(directory, { key: pem })).rejects.toThrow(refusal('KEY_MISMATCH'))
})

test('a journal with more files of commits than arguments fit on the stack is read', async () => {
  const { directory } = journalWith({ loads: 1 })
  const commits = join(directory, 'commits')
  const more = Array.from({ length: 140_000 }, (_, index) => `${String(index + 2).padStart(10, '0')}.json`)
  // Creating them takes a minute.
  vi.mocked(listedNames).mockImplementation((asked) =>
    Promise.resolve([...readdirSync(asked), ...(asked === commits ? more : [])]),
  )
  onTestFinished(() => void vi.mocked(listedNames).mockReset())
  expect(kinds(await verifyJournal(directory))).toEqual(['missing'])
})

test.each([
  ['no directory', 'FILE_NOT_FOUND', (directory: string) => rmSync(directory, { recursive: true })],
  ['no journal.json', 'FILE_NOT_FOUND', (directory: string) => rmSync(join(directory, 'journal.json'))],
  [
    'a journal.json that is not JSON',
    'JOURNAL_INVALID',
    (directory: string) => writeFileSync(join(directory, 'journal.json'), '{'),
  ],
  [
    'another version',
    'JOURNAL_INVALID',
    (directory: string) => {
      const path = join(directory, 'journal.json')
      writeFileSync(path, readFileSync(path, 'utf8').replace('"format":1', '"format":2'))
    },
  ],
] as const)('refuses %s', async (_, code, change) => {
  const { directory } = journalWith()
  change(directory)
  await expect(verifyJournal(directory)).rejects.toThrow(refusal(code))
})

test('refuses a key that is none, and that of another journal', async () => {
  const { directory, journal } = journalWith()
  const key = join(scratch({ key: 'nothing' }), 'key')
  await expect(verifyJournal(directory, { key })).rejects.toThrow(refusal('KEY_INVALID'))
  const mistyped = journal.file.key.replace(/\+[0-9a-f]{8}\+/, '+00000000+')
  await expect(verifyJournal(directory, { key: mistyped })).rejects.toThrow(refusal('KEY_INVALID'))
  const other = new TestJournal(join(scratch(), 'other'), 'host-b')
  await expect(verifyJournal(directory, { key: other.file.key })).rejects.toThrow(refusal('KEY_MISMATCH'))
  writeFileSync(key, `${journal.file.key}\n`)
  expect(await verifyJournal(directory, { key })).toMatchObject({ holds: true, pinned: true })
})
