import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { copyFile, readFile } from 'node:fs/promises'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { refusal } from '../../testing/scratch.ts'
import { TestSite } from '../../testing/site.ts'
import { loadPolicy } from '../load-policy.ts'
import { policyDigests } from '../policy.ts'
import { watchPolicy } from '../watching/watch-policy.ts'

const site = await TestSite.make()
afterAll(() => site.remove())

const KEYS = ['a', 'b', 'c', 'gone']
const ruleFor = (key: string) => ({ name: key, match: { path: `${key}/**` }, signers: [{ key }] })
/** In the order in which they count. */
const ORDER = ['main.json', 'one.json', 'nested.json', 'two.json', 'gone.pub', 'b.pub', 'c.pub', 'a.pub']

beforeEach(async () => {
  for (const key of KEYS) await site.key(key)
  const files = {
    'main.json': {
      include: ['one.json', 'two.json'],
      trustRoots: { a: { publicKey: 'a.pub' } },
      rules: [ruleFor('a')],
    },
    'one.json': {
      include: ['nested.json'],
      trustRoots: { c: { publicKey: ['c.pub', 'b.pub'] } },
      rules: [ruleFor('c')],
    },
    'nested.json': { trustRoots: { b: { publicKey: 'b.pub' } }, rules: [ruleFor('b')] },
    'two.json': { revoked: { keys: [{ file: 'gone.pub' }] } },
  }
  for (const [name, file] of Object.entries(files)) await site.write(name, JSON.stringify({ version: 1, ...file }))
})

const sha256 = (content: string | Buffer) => createHash('sha256').update(content).digest('hex')
const digests = async () => policyDigests(await loadPolicy(site.file('main.json')))

test('the digest of all files is the one that is documented, and the other that of the policy file', async () => {
  const lines = ORDER.map((name) => `${sha256(readFileSync(site.file(name)))}\n`)
  const expected = { file: sha256(readFileSync(site.file('main.json'))), files: sha256(lines.join('')) }
  expect(await digests()).toEqual(expected)
  expect(await digests()).toEqual(expected)
  expect(policyDigests(await (await watchPolicy(site.file('main.json'))).current())).toEqual(expected)
})

describe('the digest of all files', () => {
  test.each(['one.json', 'nested.json', 'two.json'])('changes with the included file %s', async (name) => {
    const before = await digests()
    await site.write(name, `${await readFile(site.file(name), 'utf8')}\n`)
    const after = await digests()
    expect(after.file).toBe(before.file)
    expect(after.files).not.toBe(before.files)
  })

  test.each(['a', 'b', 'c', 'gone'])('changes with the key %s', async (key) => {
    const before = await digests()
    await site.key('other')
    await copyFile(site.file('other.pub'), site.file(`${key}.pub`))
    const after = await digests()
    expect(after.file).toBe(before.file)
    expect(after.files).not.toBe(before.files)
  })

  test('changes with the policy file', async () => {
    const before = await digests()
    await site.write('main.json', `${await readFile(site.file('main.json'), 'utf8')}\n`)
    const after = await digests()
    expect(after.file).not.toBe(before.file)
    expect(after.files).not.toBe(before.files)
  })
})

test.each([undefined, 'main.json', { path: 'main.json' }])('%j is refused: it is no policy', (given) => {
  expect(() => policyDigests(given as never)).toThrow(refusal('INVALID_ARGUMENT'))
})
