import { mkdirSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
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
