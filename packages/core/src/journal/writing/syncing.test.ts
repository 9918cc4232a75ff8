import type * as Fs from 'node:fs'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { commitsOf, recordsOf } from '../../testing/journal-reading.ts'
import { scratch } from '../../testing/scratch.ts'
import { verifyJournal } from '../reading/verify-journal.ts'
import { JournalWriter } from './writer.ts'

const disk = vi.hoisted(() => ({ isFailing: false, synced: [] as number[] }))

vi.mock('node:fs', async (original) => {
  const fs = await original<typeof Fs>()
  const fdatasync = (fd: number, callback: (error: Error | null) => void) => {
    if (disk.isFailing) callback(Object.assign(new Error('EIO'), { code: 'EIO' }))
    else fs.fdatasync(fd, callback)
  }
  const fsyncSync = (fd: number) => {
    disk.synced.push(fs.fstatSync(fd).ino)
    fs.fsyncSync(fd)
  }
  return { ...fs, fdatasync, fsyncSync }
})

function writerIn(directory: string): JournalWriter {
  return new JournalWriter({ directory, place: 'test', required: false, durability: 'interval', paths: 'full' })
}

function record(writer: JournalWriter, path: string): Promise<unknown> {
  const make = () => [{ type: 'policy' as const, time: new Date().toISOString(), path }]
  return new Promise((resolve) => writer.add({ make, isSynced: false, isRequired: false, ended: resolve, at: {} }))
}

test('a segment that could not be synced has no end, because what was written to it may be on the disk', async () => {
  const directory = join(scratch(), 'journal')
  const writer = writerIn(directory)
  await record(writer, 'synced')
  await vi.waitFor(() => expect(commitsOf(directory)).toHaveLength(1), 5_000)
  disk.isFailing = true
  const warned = vi.spyOn(process, 'emitWarning')
  await record(writer, 'not synced')
  await vi.waitFor(() => expect(warned).toHaveBeenCalledOnce(), 5_000)
  disk.isFailing = false
  await record(writer, 'in another segment')
  await vi.waitFor(() => expect(commitsOf(directory).length).toBeGreaterThan(1), 5_000)
  writer.endNow([])
  const paths = recordsOf(directory).flatMap((one) => (one.type === 'policy' ? [one.path] : []))
  expect(paths.sort()).toEqual(['in another segment', 'not synced', 'synced'])
  expect(await verifyJournal(directory)).toMatchObject({ holds: true, problems: [], uncovered: 1 })
})

test.skipIf(process.platform === 'win32')('the name of a new segment is synced with its records', async () => {
  const directory = join(scratch(), 'journal')
  const writer = writerIn(directory)
  await record(writer, 'a')
  disk.synced = []
  writer.endNow([])
  expect(disk.synced).toContain(statSync(join(directory, 'segments')).ino)
  expect(await verifyJournal(directory)).toMatchObject({ holds: true, uncovered: 0 })
})
