import { mkdirSync, symlinkSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sha256 } from '../../testing/bundles.ts'
import { refusal } from '../../testing/scratch.ts'
import { TestSite } from '../../testing/site.ts'
import { readPolicySources } from './include.ts'
import { TrackedFiles } from './reading.ts'

let site: TestSite

beforeAll(async () => {
  site = await TestSite.make()
})
afterAll(() => site.remove())

/** Writes files that include others, and reads the first. */
async function read(directory: string, files: Readonly<Record<string, readonly string[] | string>>) {
  for (const [name, included] of Object.entries(files)) {
    const text = typeof included === 'string' ? included : JSON.stringify({ version: 1, ...(included.length > 0 && { include: included }) }) // prettier-ignore
    await site.write(`${directory}/${name}`, text)
  }
  const reading = new TrackedFiles(undefined)
  const sources = await readPolicySources(site.file(directory, Object.keys(files)[0] ?? ''), reading)
  const names = sources.map(({ text }) => text.path.slice(site.file(directory).length + 1))
  return { sources, names, reading, problems: reading.problems }
}

describe('the files that a policy includes', () => {
  test('come before it, each once, with their digests and directories', async () => {
    const { names, sources, problems, reading } = await read('order', {
      'p.json': ['a/b.json', 'c.json', 'a/b.json'],
      'a/b.json': ['../c.json'],
      'c.json': [],
    })
    expect(problems).toEqual([])
    expect(names).toEqual(['c.json', 'a/b.json', 'p.json'])
    expect(sources.map(({ directory }) => directory)).toEqual(
      ['order', 'order/a', 'order'].map((name) => site.file(name)),
    )
    expect(sources[0]?.sha256).toBe(sha256('{"version":1}'))
    expect([...reading.files.keys()]).toEqual(['p.json', 'a/b.json', 'c.json'].map((name) => site.file('order', name)))
  })

  test('are at most eight files deep', async () => {
    const chain = (length: number) =>
      Object.fromEntries(Array.from({ length }, (_, i) => [`${i}.json`, i + 1 < length ? [`${i + 1}.json`] : []]))
    const deep = await read('deep', chain(9))
    expect([deep.names.length, deep.problems]).toEqual([9, []])
    const deeper = await read('deeper', chain(10))
    expect(deeper.names).toHaveLength(9)
    expect(deeper.problems).toEqual([
      refusal('POLICY_INVALID', {
        file: site.file('deeper/8.json'),
        column: 25,
        message: expect.stringContaining('at most 8 files deep, with at most 64 files in total') as string,
      }),
    ])
  })

  test('are at most 64 with the policy, of which several may include the same', async () => {
    const included = (from: number, count: number) => Array.from({ length: count }, (_, i) => `${from + i}.json`)
    const wide = (last: number) => ({
      'p.json': ['more.json', ...included(0, 62), '0.json'],
      'more.json': included(0, last),
      ...Object.fromEntries(included(0, 63).map((name) => [name, []])),
    })
    const most = await read('most', wide(62))
    expect([most.names.length, most.problems]).toEqual([64, []])
    const many = await read('many', wide(63))
    expect(many.names).toHaveLength(64)
    expect(many.problems.map(({ code, file }) => [code, file])).toEqual([
      ['POLICY_INVALID', site.file('many/more.json')],
    ])
  })

  test('do not include themselves, or those that include them', async () => {
    const self = await read('self', { 'p.json': ['p.json'] })
    expect([self.names, self.problems.length]).toEqual([['p.json'], 1])
    const round = await read('round', { 'p.json': ['q.json'], 'q.json': ['r.json'], 'r.json': ['p.json', 'q.json'] })
    expect(round.names).toEqual(['r.json', 'q.json', 'p.json'])
    expect(round.problems.map(({ file, message }) => [file, /includes this file again/.test(message)])).toEqual([
      [site.file('round/r.json'), true],
      [site.file('round/r.json'), true],
    ])
  })

  test('are in the directory of the policy, or below it', async () => {
    await site.write('elsewhere.json', '{"version":1}')
    await site.write('inside-2/q.json', '{"version":1}')
    mkdirSync(site.file('inside/..odd'), { recursive: true })
    symlinkSync(site.file('elsewhere.json'), site.file('inside/link.json'))
    const { names, problems } = await read('inside', {
      'p.json': [
        '..odd/q.json',
        '../elsewhere.json',
        '../inside-2/q.json',
        'link.json',
        '.',
        '..',
        site.file('elsewhere.json'),
      ],
      '..odd/q.json': [],
    })
    expect(names).toEqual(['..odd/q.json', 'p.json'])
    expect(
      problems.map(({ code, message }) => [code, message.includes(`is outside "${site.file('inside')}"`)]),
    ).toEqual(Array(6).fill(['POLICY_INVALID', true]))
  })

  test('may be missing or invalid, which is a problem of the policy, and the others are read', async () => {
    const { names, problems } = await read('partly', {
      'p.json': ['gone.json', 'bad.json', 'good.json'],
      'bad.json': '{"version":2}',
      'good.json': [],
    })
    expect(names).toEqual(['good.json', 'p.json'])
    expect(problems).toEqual([
      refusal('POLICY_NOT_FOUND', { file: site.file('partly/p.json'), line: 1, column: 25 }),
      refusal('POLICY_INVALID', { file: site.file('partly/bad.json') }),
    ])
  })

  test('are not passed over because of a programming error', async () => {
    const reading = new TrackedFiles(undefined)
    const original = reading.file
    await read('broken', { 'p.json': ['q.json'], 'q.json': [] })
    Object.assign(reading, {
      file: (path: string, file: never) =>
        path.endsWith('q.json') ? Promise.reject(new TypeError('ours')) : original(path, file),
    })
    await expect(readPolicySources(site.file('broken/p.json'), reading)).rejects.toThrow(TypeError)
  })
})

test('a policy of more than 8 MiB, or none, is not read', async () => {
  const most = 8 * 1024 * 1024
  const padded = (length: number) => '{"version":1}'.padEnd(length)
  expect((await read('size', { 'p.json': padded(most) })).problems).toEqual([])
  await expect(read('size', { 'p.json': padded(most + 1) })).rejects.toEqual(refusal('FILE_TOO_LARGE'))
  const gone = readPolicySources(site.file('gone.json'), new TrackedFiles(undefined))
  await expect(gone).rejects.toEqual(
    refusal('POLICY_NOT_FOUND', {
      file: site.file('gone.json'),
      message: expect.stringContaining('trust policy') as string,
    }),
  )
})
