import { mkdirSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { segmentPath } from '@modelseal/core/journal'
import { expect, test } from 'vitest'
import { refusal, scratch } from '../../../../core/src/testing/scratch.ts'
import { Confirmed } from './confirmed.ts'

test('says if it cannot be remembered, and remembers it later', async () => {
  const directory = scratch()
  const url = 'https://collector.example/'
  const state = { size: 1, root: 'a'.repeat(64) }
  const confirmed = await Confirmed.read(directory, url)
  confirmed.setState(state)
  const file = join(directory, 'collected.json')
  mkdirSync(file)
  await expect(confirmed.save()).rejects.toThrow(refusal('FILE_WRITE_FAILED', { file }))
  rmdirSync(file)
  await confirmed.save()
  expect((await Confirmed.read(directory, url)).state).toEqual(state)
})

test('what several processes saved converges to the most that one of them sent', async () => {
  const directory = scratch()
  const url = 'https://collector.example/'
  const state = { size: 2, root: 'a'.repeat(64) }
  const segment = '1764399547000-0123456789abcdef'
  mkdirSync(join(directory, 'segments'))
  writeFileSync(join(directory, segmentPath(segment)), '')
  const [sender, other] = [await Confirmed.read(directory, url), await Confirmed.read(directory, url)]
  sender.setState(state)
  sender.setBytes(segment, 900)
  other.setState(state)
  other.setBytes(segment, 400)
  await sender.save()
  await other.save()
  expect((await Confirmed.read(directory, url)).bytesOf(segment)).toBe(400)
  for (const confirmed of [sender, other]) {
    await confirmed.refresh()
    await confirmed.save()
  }
  expect(other.bytesOf(segment)).toBe(900)
  expect((await Confirmed.read(directory, url)).bytesOf(segment)).toBe(900)
})

test('what another collector confirmed is not adopted', async () => {
  const directory = scratch()
  const segment = '1764399547000-0123456789abcdef'
  mkdirSync(join(directory, 'segments'))
  writeFileSync(join(directory, segmentPath(segment)), '')
  const ours = await Confirmed.read(directory, 'https://collector.example/')
  const theirs = await Confirmed.read(directory, 'https://other.example/')
  theirs.setState({ size: 1, root: 'a'.repeat(64) })
  theirs.setBytes(segment, 900)
  await theirs.save()
  await ours.refresh()
  expect(ours.bytesOf(segment)).toBe(0)
})
