import { expect, test } from 'vitest'
import { refusal } from '../../testing/scratch.ts'
import { readCroissant } from './croissant.ts'

const SHA = 'a'.repeat(64)

const read = (document: unknown) => readCroissant(Buffer.from(JSON.stringify(document)), 'croissant.json')
/** What a document states about one file. */
const readOne = (object: object, ...others: object[]) =>
  read({ '@type': 'sc:Dataset', distribution: [{ '@type': 'cr:FileObject', sha256: SHA, ...object }, ...others] })

test('reads the names and digests of files of the dataset', async () => {
  const document = {
    '@context': { '@vocab': 'https://schema.org/', cr: 'http://mlcommons.org/croissant/', sha256: 'cr:sha256' },
    '@type': 'sc:Dataset',
    name: 'speech',
    distribution: [
      { '@type': 'cr:FileObject', '@id': 'a', contentUrl: 'data/a.csv', encodingFormat: 'text/csv', sha256: SHA },
      { '@type': 'cr:FileSet', '@id': 'all', includes: '*.csv', contentUrl: 'b.csv', sha256: SHA },
      { '@type': 'cr:FileObject', contentUrl: 'no-digest.csv' },
    ],
    recordSet: [{ '@type': 'cr:RecordSet', field: [{ source: { fileObject: { '@id': 'a' } } }] }],
  }
  expect(await read(document)).toEqual([{ names: ['data/a.csv'], sha256: SHA }])
})

test.each([
  ['of Croissant 0.8', { '@type': 'sc:FileObject' }],
  ['with a full name', { '@type': 'http://mlcommons.org/croissant/FileObject' }],
  ['with several types', { '@type': ['cr:FileObject', 'sc:MediaObject'] }],
  ['with values in objects', { contentUrl: { '@id': 'a.csv' }, sha256: { '@value': SHA } }],
  ['with prefixes and lists', { contentUrl: [], 'sc:contentUrl': ['a.csv'], 'https://schema.org/sha256': SHA }],
])('reads an object %s', async (_, object) => {
  expect(await readOne({ contentUrl: 'a.csv', ...object })).toEqual([{ names: ['a.csv'], sha256: SHA }])
})

test.each([
  ['./a.csv', ['a.csv']],
  ['my%20data/a.csv', ['my%20data/a.csv', 'my data/a.csv']],
  ['50%.csv', ['50%.csv']],
  ['..%2Fa.csv', ['..%2Fa.csv']],
])('the URL %s is that of a file', async (contentUrl, names) => {
  expect(await readOne({ contentUrl })).toEqual([{ names, sha256: SHA }])
})

test.each(['https://example.com/a.csv', 'FILE:a.csv', '/a.csv', '//host/a.csv', '../a.csv', 'a/../../b', ''])(
  'the URL %j leads elsewhere',
  async (contentUrl) => {
    expect(await readOne({ contentUrl })).toEqual([])
  },
)

test('files in archives are left out, and files in the repository are not', async () => {
  const archive = { '@type': 'cr:FileObject', '@id': 'a.zip', contentUrl: 'https://example.com/a.zip' }
  const repository = { '@type': 'cr:FileObject', '@id': 'repo', encodingFormat: 'git+https', sha256: 'see an issue' }
  const file = { contentUrl: 'a.csv' }
  const inOne = (containedIn: unknown) => readOne({ ...file, containedIn }, archive, repository)
  expect(await inOne({ '@id': 'a.zip' })).toEqual([])
  expect(await inOne([{ '@id': 'repo' }, { '@id': 'a.zip' }])).toEqual([])
  expect(await inOne({ '@id': 'repo' })).toEqual([{ names: ['a.csv'], sha256: SHA }])
  // Croissant 0.8
  expect(await inOne('#repo')).toEqual([{ names: ['a.csv'], sha256: SHA }])
})

test('other JSON describes no files', async () => {
  for (const other of [{}, [], null, 'FileObject', { '@type': 7, distribution: [{ '@type': 'cr:FileSet' }] }])
    expect(await read(other)).toBeUndefined()
})

test('refuses JSON that can be read in two ways, or takes too much memory', async () => {
  const refused = (text: string) => expect(readCroissant(Buffer.from(text), 'croissant.json')).rejects
  await refused('{').toEqual(refusal('JSON_INVALID'))
  await refused('{"a":1,"a":2}').toEqual(refusal('JSON_DUPLICATE_KEY'))
  await refused(`${'['.repeat(40)}${']'.repeat(40)}`).toEqual(refusal('JSON_TOO_COMPLEX'))
  await refused(`[${'0,'.repeat(1_000_000)}0]`).toEqual(refusal('JSON_TOO_COMPLEX'))
})
