import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { provesConsistency } from '../../../merkle/proofs.ts'
import { parseCheckpoint } from '../../../merkle/checkpoint.ts'
import { loadRecord, TestJournal } from '../../../testing/journals.ts'
import { refusal, scratch } from '../../../testing/scratch.ts'
import { commitFile } from '../../format/names.ts'
import { checkpointAt, newestCheckpoint, proofOfGrowth } from './growth.ts'
import { openJournal } from '../open-journal.ts'

async function journalWith(commits: number) {
  const directory = join(scratch(), 'journal')
  mkdirSync(directory)
  const test = new TestJournal(directory)
  const segment = test.segment()
  for (let index = 0; index < commits; index++) {
    segment.add(loadRecord())
    segment.commit()
  }
  return { directory, notes: test.notes, journal: await openJournal(directory) }
}

test.each([1, 2, 7, 8, 9, 33])('the growth of %i commits is proven from every earlier size', async (commits) => {
  const { journal, notes } = await journalWith(commits)
  const newest = (await newestCheckpoint(journal))!
  expect(newest).toMatchObject({ size: commits, note: notes.at(-1) })
  for (let earlier = 1; earlier <= commits; earlier++) {
    const { checkpoint } = parseCheckpoint(notes[earlier - 1]!)!
    const proof = await proofOfGrowth(journal, earlier, newest)
    expect(provesConsistency(proof, checkpoint, newest)).toBe(true)
  }
})

test('packed and single commits are read', async () => {
  const { directory, journal, notes } = await journalWith(600)
  for (let index = 0; index < 512; index++) rmSync(join(directory, 'commits', commitFile(index)), { force: true })
  const newest = (await newestCheckpoint(journal))!
  for (const earlier of [1, 255, 256, 257, 300, 511, 512, 513, 599]) {
    const { checkpoint } = parseCheckpoint(notes[earlier - 1]!)!
    expect(provesConsistency(await proofOfGrowth(journal, earlier, newest), checkpoint, newest)).toBe(true)
  }
  rmSync(join(directory, 'commits'), { recursive: true })
  expect(await newestCheckpoint(journal)).toMatchObject({ size: 512 })
})

test('a journal without commits has no checkpoint', async () => {
  const { journal } = await journalWith(0)
  expect(await newestCheckpoint(journal)).toBeUndefined()
})

test('refuses commits that were removed or changed', async () => {
  const { directory, journal, notes } = await journalWith(6)
  const newest = (await newestCheckpoint(journal))!
  const path = (index: number) => join(directory, 'commits', commitFile(index))
  const [fourth, fifth] = [readFileSync(path(3), 'utf8'), readFileSync(path(4), 'utf8')]

  writeFileSync(path(4), fifth.replace(/"frontier":\[("\w+"),"\w+"/, '"frontier":[$1,$1'))
  await expect(proofOfGrowth(journal, 4, newest)).rejects.toThrow(refusal('JOURNAL_INVALID'))
  writeFileSync(path(4), fifth)

  const signature = notes[3]!.split(' ').at(-1)!.trim()
  writeFileSync(path(3), fourth.replace(signature.slice(0, 60), `${signature.slice(0, 59)}A`))
  await expect(checkpointAt(journal, 4)).rejects.toThrow(refusal('JOURNAL_INVALID'))
  rmSync(path(3))
  await expect(checkpointAt(journal, 4)).rejects.toThrow(refusal('JOURNAL_INVALID'))
})

test.each(['commits', 'heads'])('where %s cannot be listed, it is not taken for empty', async (folder) => {
  const { directory, journal } = await journalWith(2)
  rmSync(join(directory, folder), { recursive: true })
  writeFileSync(join(directory, folder), '')
  await expect(newestCheckpoint(journal)).rejects.toThrow(refusal('FILE_UNREADABLE'))
})
