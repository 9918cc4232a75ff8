import { describe, expect, test } from 'vitest'
import type { PolicySource } from '../reading/include.ts'
import { compileJournals, settingsOf } from './compile-journals.ts'
import { journalSchema, type JournalText } from './schema.ts'

const WRITTEN = {
  directory: 'journal',
  required: true,
  durability: 'each',
  service: 'vad',
  host: 'h1',
  key: 'keys/a.key',
  paths: 'short',
  retention: '90d',
  checkpoints: { file: 'points/newest' },
  collected: true,
} satisfies JournalText

const place = { base: '/etc/policies', place: '/etc/policies/p.yaml' }

test('the settings of a journal are those of the policy, with absolute paths', () => {
  expect(settingsOf(WRITTEN, place)).toEqual({
    ...WRITTEN,
    directory: '/etc/policies/journal',
    place: place.place,
    key: '/etc/policies/keys/a.key',
    retention: 90 * 86_400_000,
    checkpoints: { file: '/etc/policies/points/newest' },
  })
})

test('the settings that a policy does not state are the default ones, or absent', () => {
  expect(settingsOf({ directory: '/var/journal' }, place)).toStrictEqual({
    directory: '/var/journal',
    place: place.place,
    required: false,
    durability: 'interval',
    paths: 'full',
  })
})

test('a key on a token is no path', () => {
  expect(settingsOf({ directory: 'd', key: 'pkcs11:token=t' }, place).key).toBe('pkcs11:token=t')
  expect(settingsOf({ directory: 'd', key: 'x/pkcs11:token' }, place).key).toBe('/etc/policies/x/pkcs11:token')
})

test('each file of a policy can name a journal', () => {
  const sources = [{ directory: 'd' }, undefined, { directory: 'e', required: true }].map((journal, index) => ({
    file: { version: 1, ...(journal && { journal }) },
    directory: `/p/${index}`,
    text: { path: `/p/${index}/policy.yaml` },
  })) as unknown as PolicySource[]
  expect(compileJournals(sources)).toMatchObject([
    { directory: '/p/0/d', place: '/p/0/policy.yaml', required: false },
    { directory: '/p/2/e', place: '/p/2/policy.yaml', required: true },
  ])
})

describe('a journal in a policy', () => {
  const messages = (written: unknown) => {
    const checked = journalSchema.check(written)
    return 'issues' in checked ? checked.issues.map(({ message }) => message) : []
  }

  test.each([
    WRITTEN,
    { directory: 'd' },
    { directory: 'd', durability: 'interval', paths: 'full', service: 'x'.repeat(256) },
    { directory: 'd', retention: '48h' },
  ])('may be %j', (written) => expect(messages(written)).toEqual([]))

  test.each([
    [{}, 'expected text'],
    [{ directory: '' }, 'expected text that is not empty'],
    [{ directory: 'd', more: 1 }, expect.anything()],
    [{ directory: 'd', required: 'yes' }, 'expected true or false'],
    [{ directory: 'd', durability: 'never' }, 'expected "interval" or "each"'],
    [{ directory: 'd', paths: 'none' }, 'expected "full" or "short"'],
    [{ directory: 'd', service: '' }, 'expected a name of 1 to 256 characters'],
    [{ directory: 'd', host: 'x'.repeat(257) }, 'expected a name of 1 to 256 characters'],
    [{ directory: 'd', checkpoints: {} }, 'expected text'],
    [{ directory: 'd', checkpoints: { file: 'a', url: 'b' } }, expect.anything()],
    [{ directory: 'd', retention: 'P1M' }, 'expected a duration without years and months'],
    [{ directory: 'd', retention: 'P1Y2D' }, 'expected a duration without years and months'],
    [{ directory: 'd', retention: '47h' }, 'expected a duration of at least 2 days'],
    [{ directory: 'd', retention: '172799s' }, 'expected a duration of at least 2 days'],
    [{ directory: 'd', retention: 'long' }, 'expected a duration such as 180d, 12h, 10m, 30s or P6M'],
    [{ directory: 'd', collected: 1 }, 'expected true or false'],
  ] as [unknown, string][])('may not be %j', (written, message) => expect(messages(written)).toEqual([message]))
})
