import { execFileSync } from 'node:child_process'
import { chmodSync, lstatSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { beforeEach, describe, expect, test } from 'vitest'
import { openFilesIn } from '../../testing/open-files.ts'
import { refusal } from '../../testing/scratch.ts'
import { openVerifiedModel, type ModelReader } from '../open-verified-model.ts'
import { placingSite } from '../../testing/placing-site.ts'
import type { TestSite } from '../../testing/site.ts'

const FILES = { good: 'the good one', bad: 'the bad one', 'sub/deep': 'deep' }

let site: TestSite
let policy: string

beforeEach(async () => {
  ;({ site, policy } = await placingSite(FILES, { files: 'loaded' }))
})

describe.each(['copy', 'in-place'] as const)('under %s', (isolation) => {
  const open = () => openVerifiedModel(site.file('model'), { policy, isolation })

  test('a refused file is not left among the placed ones', async () => {
    writeFileSync(site.file('model', 'bad'), 'EVIL, so bad')
    await using model = await open()
    const { directory } = await model.place(['good'])
    for (let i = 0; i < 2; i++) await expect(model.place(['bad', 'sub/deep'])).rejects.toEqual(refusal('FILE_MISMATCH'))
    expect(readdirSync(directory, { recursive: true }).sort()).toEqual(['good', 'sub'])
  })

  test('a refused file can be placed once it matches the signature again', async () => {
    rmSync(site.file('model', 'bad'))
    writeFileSync(site.file('model', 'bad'), 'EVIL, so b.')
    await using model = await open()
    await expect(model.path('bad')).rejects.toEqual(refusal('FILE_MISMATCH'))
    writeFileSync(site.file('model', 'bad'), FILES.bad)
    await using again = await open()
    expect(readFileSync(await again.path('bad'), 'utf8')).toBe(FILES.bad)
  })

  test('calls at the same time place each file once', async () => {
    await using model = await open()
    const all = await Promise.all([model.place(['good', 'bad']), model.place(['bad', 'good']), model.path('bad')])
    expect(all[1].directory).toBe(all[0].directory)
    expect(readFileSync(all[2], 'utf8')).toBe(FILES.bad)
  })

  test('disposing waits for files that are being placed and removes them; twice does no harm', async () => {
    const model = await open()
    const placing = model.place(Object.keys(FILES))
    await Promise.resolve() // it has started by now
    await Promise.all([model[Symbol.asyncDispose](), model[Symbol.asyncDispose]()])
    const { directory } = await placing
    expect(() => lstatSync(directory)).toThrow('ENOENT')
    await expect(model.path('good')).rejects.toEqual(refusal('INVALID_ARGUMENT'))
  })

  test('another process that gets the path reads the same file', async () => {
    await using model = await open()
    const path = await model.path('good')
    renameSync(site.file('model', 'good'), site.file('model', 'moved'))
    writeFileSync(site.file('model', 'good'), 'EVIL')
    expect(execFileSync('cat', [path], { encoding: 'utf8' })).toBe(FILES.good)
  })
})

test.runIf(process.platform === 'linux').each(['copy', 'in-place'] as const)(
  'names that other systems consider equal are different files under %s',
  async (isolation) => {
    const names = ['Model', 'model', 'MODEL', 'caf\u00e9', 'cafe\u0301', 'ﬁle', 'file', 'nul', 'a\\..\\b', 'x.', 'x']
    const files = Object.fromEntries(names.map((name) => [name, `content of ${JSON.stringify(name)}`]))
    await site.model('alike', files)
    for (const name of names) chmodSync(site.file('alike', name), 0o644)
    await site.sign('alike', 'a')
    await using model = await openVerifiedModel(site.file('alike'), { policy, isolation })
    const { path } = await model.place(names)
    for (const name of names) expect(readFileSync(path(name), 'utf8')).toBe(files[name])
  },
)

test('a file that was placed in place can be read after its path is removed', async () => {
  const gather = (reader: ModelReader) => Promise.resolve(reader)
  const model = await openVerifiedModel(site.file('model'), { policy, isolation: 'in-place' }, gather)
  await model.path('good')
  await model[Symbol.asyncDispose]()
  // The model itself is closed. A loader may still be reading.
  expect(Buffer.from(await model.gathered.read('good')).toString()).toBe(FILES.good)
})

test('if one of many files cannot be loaded in place, all are copied', async () => {
  const many = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`f${i}`, String(i)]))
  await site.model('many', many)
  for (const name of Object.keys(many)) chmodSync(site.file('many', name), 0o644)
  chmodSync(site.file('many', 'f299'), 0o666)
  await site.sign('many', 'a')
  const gather = (reader: ModelReader) => reader.place(reader.files)
  await using model = await openVerifiedModel(site.file('many'), { policy, isolation: 'auto' }, gather)
  expect(model.gathered.isolation).toBe('copy')
})

test.runIf(process.platform === 'linux')('many files in place use no more descriptors than allowed', async () => {
  const many = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`f${i}`, String(i)]))
  await site.model('many', many)
  for (const name of Object.keys(many)) chmodSync(site.file('many', name), 0o644)
  await site.sign('many', 'a')
  await using model = await openVerifiedModel(site.file('many'), { policy, isolation: 'in-place' })
  for (const name of Object.keys(many)) await model.path(name)
  expect(openFilesIn(site.file('many'))).toHaveLength(254)
  model.confirm()
  writeFileSync(site.file('many', 'f299'), 'xyz')
  expect(() => model.confirm()).toThrow(refusal('FILE_CHANGED', { file: 'f299' }))
})
