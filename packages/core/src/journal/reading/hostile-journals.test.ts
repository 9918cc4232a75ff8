import { appendFileSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { digestOf, loadRecord, TestJournal } from '../../testing/journals.ts'
import { scratch } from '../../testing/scratch.ts'
import { readLines } from './segments/read-lines.ts'
import { readJournal, verifyJournal } from './verify-journal.ts'

// Journals as nobody writes them who wants them to be read.

function journalWith(loads: number) {
  const directory = join(scratch(), 'journal')
  mkdirSync(directory)
  const segment = new TestJournal(directory).segment()
  for (let index = 0; index < loads; index++) {
    segment.add(loadRecord())
    segment.commit()
  }
  segment.flush()
  return { directory, segment }
}

/** Of computing: what else runs on the machine does not count. */
function millisecondsSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1_000
}

test('a commit whose name leads nowhere is missing, also if it is the last one', async () => {
  for (const index of [1, 4]) {
    const { directory } = journalWith(5)
    const path = join(directory, 'commits', `000000000${index}.json`)
    rmSync(path)
    symlinkSync('nowhere', path)
    const { holds, problems } = await verifyJournal(directory)
    expect(holds).toBe(false)
    expect(problems).toMatchObject([{ kind: 'missing', index }])
  }
})

test.each(['segments', 'commits'])('where %s cannot be listed, it is not taken for empty', async (folder) => {
  const { directory } = journalWith(0)
  rmSync(join(directory, folder), { recursive: true })
  writeFileSync(join(directory, folder), '')
  await expect(verifyJournal(directory)).rejects.toMatchObject({ code: 'FILE_UNREADABLE' })
  rmSync(join(directory, folder))
  symlinkSync(folder, join(directory, folder))
  await expect(verifyJournal(directory)).rejects.toMatchObject({ code: 'FILE_UNREADABLE' })
})

test('after a thousand lines that do not hold, the rest of a segment is not read', async () => {
  const { directory, segment } = journalWith(1)
  appendFileSync(segment.path, Buffer.alloc(20_000_000, '\n'))
  const before = process.cpuUsage()
  const report = await verifyJournal(directory)
  expect(report).toMatchObject({ holds: false, records: 1_002, more: 901 })
  expect(report.problems.every(({ kind }) => kind === 'line')).toBe(true)
  expect(millisecondsSince(before)).toBeLessThan(2_000)
})

test('records before too many bad lines are passed on', async () => {
  const { directory, segment } = journalWith(3)
  appendFileSync(segment.path, '\n'.repeat(5_000))
  let count = 0
  await readJournal(directory, (entries) => void (count += entries.length))
  expect(count).toBe(4)
})

test('empty lines are returned in parts', async () => {
  const path = join(scratch(), 'lines')
  writeFileSync(path, `${'\n'.repeat(40_000)}a\nb`)
  const handle = await open(path)
  const parts: { lines: Buffer[]; rest: string }[] = []
  for await (const { lines, rest } of readLines(handle, 0, 40_003)) parts.push({ lines, rest: String(rest) })
  await handle.close()
  expect(parts.map(({ lines, rest }) => [lines.length, rest])).toEqual([
    [16_384, ''],
    [16_384, ''],
    [7_233, 'b'],
  ])
})

test('thousands of missing segments take no longer than their commits', async () => {
  const directory = join(scratch(), 'journal')
  mkdirSync(directory)
  const journal = new TestJournal(directory)
  const leaf = { size: 1, root: digestOf('x'), bytes: 100, time: '2026-11-01T00:00:00.000Z' }
  for (let index = 0; index < 1_500; index++)
    journal.commit({ segment: `${1_762_000_000_000 + index}-0123456789abcdef`, ...leaf })
  const before = process.cpuUsage()
  expect(await verifyJournal(directory)).toMatchObject({ holds: false, more: 1_400 })
  // It was more than 15 s when the commits were looked for once for each segment.
  expect(millisecondsSince(before)).toBeLessThan(10_000)
}, 120_000)
