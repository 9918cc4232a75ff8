import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { loadRecord, TestJournal, type TestSegment } from '../../../testing/journals.ts'
import { refusal, scratch } from '../../../testing/scratch.ts'
import { TestWitnessKey } from '../../../testing/witness.ts'
import { verifyJournal } from '../verify-journal.ts'

let directory: string
let journal: TestJournal
let segment: TestSegment
const witness = new TestWitnessKey()

beforeEach(() => {
  directory = join(scratch(), 'journal')
  mkdirSync(directory)
  journal = new TestJournal(directory)
  segment = journal.segment()
  for (let index = 0; index < 3; index++) add(segment)
})

function add(to: TestSegment): void {
  to.add(loadRecord())
  to.commit()
}

function checkpointWith(note: string): string {
  const path = join(directory, '../checkpoint')
  writeFileSync(path, note)
  return path
}

test('says by whom and when the checkpoint was cosigned', async () => {
  const checkpoint = checkpointWith(witness.cosigned(journal.notes[1]!, 1_795_000_000))
  expect(await verifyJournal(directory, { checkpoint, witnessKey: witness.vkey })).toMatchObject({
    holds: true,
    compared: 2,
    witness: { name: 'witness.example/w1', time: '2026-11-18T11:06:40.000Z' },
  })
  const witnessKey = join(directory, '../witness.vkey')
  writeFileSync(witnessKey, `${witness.vkey}\n`)
  expect(await verifyJournal(directory, { checkpoint, witnessKey })).toMatchObject({ holds: true, compared: 2 })
  // Whom nobody asked for is not believed, and not mentioned.
  expect(await verifyJournal(directory, { checkpoint })).not.toHaveProperty('witness')
})

test('finds a rollback and another history by a cosigned checkpoint', async () => {
  const newest = witness.cosigned(journal.notes[2]!)
  const other = new TestJournal(join(scratch(), 'other'))
  const forked = other.segment()
  for (let index = 0; index < 2; index++) add(forked)
  const checkpoint = checkpointWith(newest)
  expect(await verifyJournal(other.directory, { checkpoint, witnessKey: witness.vkey })).toMatchObject({
    holds: false,
    problems: [{ kind: 'rollback' }],
  })
  forked.add(loadRecord({ decision: 'refused' }))
  forked.commit()
  expect(await verifyJournal(other.directory, { checkpoint, witnessKey: witness.vkey })).toMatchObject({
    holds: false,
    problems: [{ kind: 'rollback', problem: 'it has other commits than the checkpoint covers' }],
  })
})

test('refuses a checkpoint that the witness did not cosign', async () => {
  const note = journal.notes[2]!
  const refused = async (text: string) => {
    const checkpoint = checkpointWith(text)
    await expect(verifyJournal(directory, { checkpoint, witnessKey: witness.vkey })).rejects.toThrow(
      refusal('JOURNAL_INVALID', { file: checkpoint }),
    )
  }
  await refused(note)
  await refused(new TestWitnessKey().cosigned(note))
  await refused(new TestWitnessKey('witness.example/w2').cosigned(note))
  await refused(note + witness.line(journal.notes[1]!))
  const cosigned = witness.cosigned(note)
  // A cut that leaves everything but the last line feed changes nothing: copying by hand loses it.
  for (let length = 0; length < cosigned.length - 1; length += 7) await refused(cosigned.slice(0, length))
  await refused(cosigned.slice(0, -2))
  const other = new TestJournal(join(scratch(), 'other'), 'host-b')
  add(other.segment())
  await refused(witness.cosigned(other.notes[0]!))
})

test.each([
  ['a key that is none', 'witness.example+00000000+BAAA', 'KEY_INVALID'],
  ['the key of a log', 'log', 'KEY_INVALID'],
  ['a file that does not exist', 'nowhere/witness.vkey', 'FILE_NOT_FOUND'],
] as const)('refuses %s', async (_, given, code) => {
  const checkpoint = checkpointWith(witness.cosigned(journal.notes[2]!))
  const witnessKey = given === 'log' ? journal.file.key : given
  await expect(verifyJournal(directory, { checkpoint, witnessKey })).rejects.toThrow(refusal(code))
})

test('a key of a witness needs a checkpoint', async () => {
  await expect(verifyJournal(directory, { witnessKey: witness.vkey })).rejects.toThrow(refusal('INVALID_ARGUMENT'))
})
