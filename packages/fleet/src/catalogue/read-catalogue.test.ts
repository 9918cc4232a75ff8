import { mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { registerScheme } from '@modelseal/core/source'
import { expect, test } from 'vitest'
import { refusal, scratch } from '../../../core/src/testing/scratch.ts'
import { all, models } from '../testing/models.ts'
import { openCatalogue } from './read-catalogue.ts'

let listed: string[] = []
const session = { open: () => expect.fail('opened') }
registerScheme('zoo', (url) => ({
  ...session,
  place: { url: url.replace(/\/$/, '') },
  models: async function* () {
    yield* listed
    await Promise.resolve()
  },
}))
registerScheme('closed', (url) => ({ ...session, place: { url } }))

const read = (catalogue: string) => all(openCatalogue(catalogue).models())

test('a file names a model on each line, relative to itself', async () => {
  const lines = ['# Models', '', 'vad', '  /srv/asr  ', 'hf://acme/tts', 's3://models/vad/1.0']
  const directory = scratch({ 'catalogue.txt': lines.join('\n') })
  const catalogue = join(directory, 'catalogue.txt')
  expect(await read(catalogue)).toEqual([join(directory, 'vad'), '/srv/asr', 'hf://acme/tts', 's3://models/vad/1.0'])
  expect(openCatalogue(catalogue).place).toBe(join(directory, '.modelseal-fleet'))
})

test('two spellings of a path are one model, and a byte order mark is none', async () => {
  const directory = scratch()
  const lines = ['vad', './vad', 'vad/', join(directory, 'vad//')]
  writeFileSync(join(directory, 'list'), `\uFEFF${lines.join('\r\n')}`)
  expect(new Set(await read(join(directory, 'list')))).toEqual(new Set([join(directory, 'vad')]))
})

test('a path with ".." is left to whoever opens it', async () => {
  const directory = scratch()
  writeFileSync(join(directory, 'list'), '../vad\n/srv/link/../vad\n')
  expect(await read(join(directory, 'list'))).toEqual([`${directory}/../vad`, '/srv/link/../vad'])
})

test('a line without end is not kept in memory', async () => {
  const path = join(scratch(), 'list')
  // Sparse: it takes no space.
  writeFileSync(path, 'vad\n')
  truncateSync(path, 4 * 2 ** 30)
  const before = process.memoryUsage.rss()
  await expect(read(path)).rejects.toEqual(refusal('CATALOGUE_INVALID', { line: 2, found: 'a line that is too long' }))
  expect(process.memoryUsage.rss() - before).toBeLessThan(64 * 2 ** 20)
})

test('the subdirectories of a directory are models, except for hidden ones', async () => {
  const directory = models('a', 'b')
  mkdirSync(join(directory, '.cache'))
  expect((await read(directory)).sort()).toEqual([join(directory, 'a'), join(directory, 'b')])
  expect(openCatalogue(directory).place).toBe(join(dirname(directory), '.modelseal-fleet'))
})

test.each([
  ['a password', 'https://user:secret@models.example/vad'],
  ['a password, and one slash', 'https:/user:secret@models.example/vad'],
  ['a password in a path', 'hf:user:secret@acme/vad'],
  ['a query', 'https://models.example/vad?X-Amz-Signature=secret'],
  ['a fragment', 'https://models.example/vad#main'],
  ['more characters than a path has', 'x'.repeat(8_193)],
  ['a gigabyte of blanks', ' '.repeat(200_000)],
  ['a zero byte', 'vad\0'],
  ['a tab, which readers of URLs leave out', 'https://models.example/a/.\t./b'],
  ['bytes that are not UTF-8', Buffer.from([0x76, 0xff])],
])('a line with %s is refused, by its number', async (_, line) => {
  const directory = scratch({ list: Buffer.concat([Buffer.from('vad\n'), Buffer.from(line), Buffer.from('\n')]) })
  const refused = refusal('CATALOGUE_INVALID', { file: join(directory, 'list'), line: 2 })
  await expect(read(join(directory, 'list'))).rejects.toEqual(refused)
  await expect(read(join(directory, 'list'))).rejects.not.toThrow('secret')
})

test('a catalogue without models is refused: it would count as verified', async () => {
  const directory = scratch({ empty: '\n# none\n', 'd/file.onnx': '', 'd/.hidden/x': '' })
  symlinkSync('/', join(directory, 'd/link'))
  for (const name of ['empty', 'd'])
    await expect(read(join(directory, name))).rejects.toEqual(
      refusal('CATALOGUE_INVALID', { file: join(directory, name) }),
    )
})

test('a catalogue that does not exist is refused', () => {
  expect(() => openCatalogue(join(scratch(), 'none'))).toThrow(refusal('CATALOGUE_INVALID'))
})

test('what is listed below a URL are models', async () => {
  listed = ['zoo://shelf/a', 'zoo://shelf/b%20c']
  expect(await read('zoo://shelf/')).toEqual(listed)
  expect(await read('zoo://shelf')).toEqual(listed)
  expect(openCatalogue('zoo://shelf').place).toBe(resolve('.modelseal-fleet'))
})

test.each([
  ['no models', []],
  ['models elsewhere', ['zoo://shelf/a', 'zoo://other/b']],
  ['itself', ['zoo://shelf']],
  ['paths', ['/srv/models/vad']],
  ['a model with a query', ['zoo://shelf/a?secret']],
])('a URL below which there are %s is refused', async (_, models) => {
  listed = models
  await expect(read('zoo://shelf/')).rejects.toEqual(refusal('CATALOGUE_INVALID'))
})

test.each([
  ['a source that cannot list models', 'closed://shelf', 'CATALOGUE_INVALID'],
  ['a web server', 'https://models.example/', 'CATALOGUE_INVALID'],
  ['a password', 'zoo://user:secret@shelf/', 'CATALOGUE_INVALID'],
  ['a scheme that nobody provides', 'none://shelf/', 'SCHEME_UNKNOWN'],
])('a URL of %s is refused', (_, url, code) => {
  expect(() => openCatalogue(url)).toThrow(refusal(code as 'CATALOGUE_INVALID'))
  expect(() => openCatalogue(url)).not.toThrow('secret')
})
