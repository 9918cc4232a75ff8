import { mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { refusal, scratch } from '../../../core/src/testing/scratch.ts'
import { all, models } from '../testing/models.ts'
import { openCatalogue } from './read-catalogue.ts'

const read = (catalogue: string) => all(openCatalogue(catalogue).models())

test('a file names a model on each line, relative to itself', async () => {
  const lines = ['# Models', '', 'vad', '  /srv/asr  ', 'hf://acme/tts', 's3://models/vad/1.0']
  const directory = scratch({ 'catalogue.txt': lines.join('\n') })
  const catalogue = join(directory, 'catalogue.txt')
  expect(await read(catalogue)).toEqual([join(directory, 'vad'), '/srv/asr', 'hf://acme/tts', 's3://models/vad/1.0'])
  expect(openCatalogue(catalogue).place).toBe(join(directory, '.modelseal-fleet'))
})

test('the subdirectories of a directory are models, except for hidden ones', async () => {
  const directory = models('a', 'b')
  mkdirSync(join(directory, '.cache'))
  expect((await read(directory)).sort()).toEqual([join(directory, 'a'), join(directory, 'b')])
  expect(openCatalogue(directory).place).toBe(join(dirname(directory), '.modelseal-fleet'))
})

test.each([
  ['a password', 'https://user:secret@models.example/vad'],
  ['a query', 'https://models.example/vad?X-Amz-Signature=secret'],
  ['a fragment', 'https://models.example/vad#main'],
  ['more characters than a path has', 'x'.repeat(8_193)],
])('a line with %s is refused, by its number', async (_, line) => {
  const directory = scratch({ list: `vad\n${line}\n` })
  const refused = refusal('CATALOGUE_INVALID', { file: join(directory, 'list'), line: 2 })
  await expect(read(join(directory, 'list'))).rejects.toEqual(refused)
  await expect(read(join(directory, 'list'))).rejects.not.toThrow('secret')
})

test('a catalogue that does not exist is refused', () => {
  expect(() => openCatalogue(join(scratch(), 'none'))).toThrow(refusal('CATALOGUE_INVALID'))
})
