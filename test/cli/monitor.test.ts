import { generateKeyPairSync } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { serving } from '../../packages/core/src/testing/serving.ts'
import { ISSUER, TestSigstore } from '../../packages/core/src/testing/sigstore.ts'
import { loggedBody, loggedKey, TestLog } from '../../packages/core/src/testing/test-log.ts'
import { directory, failed, modelseal, useWorkingDirectory, write } from './modelseal.ts'

useWorkingDirectory()

const OURS = 'https://ci.example/ours'
const WATCH = ['monitor', '--identity', OURS, '--trust-config', 'root.json', '--checkpoint', 'log.checkpoint']

let log: TestLog
let url: string
let ours: Buffer

beforeEach(async () => {
  const instance = new TestSigstore()
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  ours = await instance.certificate(publicKey, { identity: OURS })
  log = new TestLog()
  log.entries = Array.from({ length: 300 }, loggedKey)
  url = await serving(log.answer)
  await write('root.json', JSON.stringify({ ...(await instance.root()), tlogs: [log.trusted(url)] }))
})

const saved = () => readFile(join(directory, 'log.checkpoint'), 'utf8')

test('the first run saves the checkpoint, and later runs report what is new', async () => {
  const first = await modelseal(WATCH)
  expect(first).toMatchObject({ code: 0, stderr: expect.stringContaining('No entries were read') })
  expect(first.stdout).toContain(`First run: from now on, new entries in "${url}" are known`)
  expect(await saved()).toBe(log.checkpoint())

  expect(await modelseal(WATCH)).toMatchObject({ code: 0, stderr: '' })
  log.entries.push(loggedKey(), loggedBody(ours, Buffer.alloc(32, 9)), Buffer.from('x'))
  const found = await modelseal(WATCH)
  expect(found).toMatchObject({ code: 3, stderr: '' })
  for (const text of [
    `Found 1 new entry with a watched identity in "${url}"`,
    'entries     300 to 302, all verified',
    'unreadable  1, which could have the identity: 302',
    'Entry 301',
    `identity     "${OURS}"`,
    `provider     "${ISSUER}"`,
    'issued by an authority of the trusted root',
    `signed       something with the "SHA2_256" digest ${'09'.repeat(32)} (hashedrekord)`,
  ])
    expect(found.stdout).toContain(text)
  expect(await saved()).toBe(log.checkpoint())
  expect(await modelseal(WATCH)).toMatchObject({ code: 0, stderr: '' })
})

test('reports JSON', async () => {
  await modelseal(WATCH)
  log.entries.push(loggedBody(ours))
  const { code, stdout, stderr } = await modelseal([...WATCH, '--json'])
  expect([code, stderr]).toEqual([3, ''])
  expect(JSON.parse(stdout)).toEqual({
    ok: false,
    command: 'monitor',
    result: {
      log: url,
      since: { size: 300, root: expect.stringMatching(/^[0-9a-f]{64}$/) as string },
      checkpoint: {
        origin: '127.0.0.1',
        size: 301,
        root: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
        note: log.checkpoint(),
      },
      isFirstRun: false,
      entries: 1,
      matches: 1,
      found: [
        {
          index: 300,
          kind: 'hashedrekord',
          digest: { algorithm: 'SHA2_256', hex: '01'.repeat(32) },
          identity: OURS,
          issuer: ISSUER,
          certificate: expect.objectContaining({ notBefore: expect.stringContaining('Z') as string }) as object,
          issued: true,
        },
      ],
      unreadable: 0,
      unreadableAt: [],
      otherLogs: [],
    },
  })
})

test('an entry that cannot be read is a reason to look, too', async () => {
  await modelseal(WATCH)
  log.entries.push(Buffer.from('x'))
  expect(await modelseal(WATCH)).toMatchObject({ code: 3 })
})

describe('the checkpoint', () => {
  test('stays if the log is not to be trusted', async () => {
    await modelseal(WATCH)
    const before = await saved()
    log.entries[3] = loggedBody(ours)
    log.entries.push(loggedBody(ours))
    const refused = await modelseal(WATCH)
    failed(refused, 'LOG_INCONSISTENT')
    expect(refused.stdout).toBe('')
    log.size = 200
    failed(await modelseal(WATCH), 'LOG_ROLLBACK')
    log.origin = 'other.example'
    failed(await modelseal(WATCH), 'LOG_CHECKPOINT_INVALID')
    expect(await saved()).toBe(before)
  })

  test('stays with --since, and nothing is saved without a file', async () => {
    await modelseal(WATCH)
    const before = await saved()
    log.entries.push(loggedBody(ours))
    const since = WATCH.map((word) => (word === '--checkpoint' ? '--since' : word))
    for (let run = 0; run < 2; run++) expect(await modelseal(since)).toMatchObject({ code: 3 })
    expect(await saved()).toBe(before)
    const none = await modelseal(WATCH.slice(0, -2))
    expect(none).toMatchObject({ code: 0, stderr: expect.stringContaining('not saved without --checkpoint') })
    failed(await modelseal([...since.slice(0, -1), 'none']), 'FILE_NOT_FOUND')
  })

  test('that cannot be saved makes the run fail, after the report', async () => {
    log.entries.push(loggedBody(ours))
    const whole = WATCH.slice(0, -2)
    expect((await modelseal([...whole, '--from-start'])).stdout).toContain('Entry 300')
    const lost = await modelseal([...whole, '--checkpoint', 'none/log.checkpoint'])
    expect(lost).toMatchObject({ code: 1, stdout: expect.stringContaining('First run') })
    expect(lost.stderr).toContain('FILE_WRITE_FAILED')
    expect(existsSync(join(directory, 'none'))).toBe(false)
  })
})

test.each<[string, string[], RegExp]>([
  ['no identity', ['monitor', '--checkpoint', 'log.checkpoint'], /Name an identity/],
  ['an empty identity', ['monitor', '--identity', ''], /empty/],
  ['two starts', [...WATCH, '--from-start'], /--from-start/],
  [
    'an invalid pattern',
    ['monitor', '--identity-regexp', '(', '--trust-config', 'root.json'],
    /option "identities\[0\]": the regular expression is not valid: .* Found "\("/,
  ],
])('%s is refused with exit code 2', async (_, args, words) => {
  const { code, stderr } = await modelseal(args)
  expect(code).toBe(2)
  expect(stderr.replace(/\s+/g, ' ')).toMatch(words)
})

test('patterns and the provider decide what is found', async () => {
  await modelseal(WATCH)
  log.entries.push(loggedBody(ours))
  const found = async (...flags: string[]) =>
    (await modelseal(['monitor', ...flags, '--trust-config', 'root.json', '--since', 'log.checkpoint'])).code
  expect(await found('--identity-pattern', 'https://ci.example/*')).toBe(3)
  expect(await found('--identity-regexp', 'https://ci.*')).toBe(3)
  expect(await found('--identity', 'x', '--identity', OURS, '--identity-provider', ISSUER)).toBe(3)
  expect(await found('--identity', OURS, '--identity-provider', 'https://other.example')).toBe(0)
  expect(await found('--identity-pattern', 'https://other.example/*')).toBe(0)
})
