import { describe, expect, test } from 'vitest'
import { VARIABLE } from '../../enabled.ts'
import { MergedSettings } from './merged-settings.ts'
import type { JournalSettings } from './settings.ts'

const DAY = 24 * 3_600_000

function settings(place: string, more: Partial<JournalSettings> = {}): JournalSettings {
  return { directory: '/journal', place, required: false, durability: 'interval', paths: 'full', ...more }
}

function merged(...all: readonly [JournalSettings, ...JournalSettings[]]): MergedSettings {
  const merging = new MergedSettings('/journal', all[0])
  for (const one of all) merging.add(one)
  return merging
}

describe('of several settings', () => {
  test('the strictest count, in whatever order they come', () => {
    const strict = settings('a.yaml', { durability: 'each', paths: 'short', collected: true, retention: 90 * DAY })
    const lax = settings('b.yaml', { retention: 2 * DAY })
    for (const { merged: found } of [merged(strict, lax), merged(lax, strict)])
      expect(found).toMatchObject({ durability: 'each', paths: 'short', collected: true, retention: 90 * DAY })
  })

  test('records are kept for ever if any does not limit it; the environment cannot say anything about it', () => {
    const limited = settings('a.yaml', { retention: 2 * DAY })
    expect(merged(limited, settings('b.yaml')).merged.retention).toBe(Infinity)
    expect(merged(settings(VARIABLE), limited).merged.retention).toBe(2 * DAY)
    expect(merged(settings(VARIABLE)).merged.retention).toBeUndefined()
  })

  test('every checkpoint file is written, once', () => {
    const [a, b] = ['/a', '/b'].map((file) => settings(file, { checkpoints: { file } })) as [
      JournalSettings,
      JournalSettings,
    ]
    const again = settings('c.yaml', { checkpoints: { file: '/a' } })
    expect(merged(a, b, again).merged.checkpoints).toEqual([{ file: '/a' }, { file: '/b' }])
  })

  test('later ones from the same place replace earlier ones', () => {
    const merging = merged(settings('a.yaml', { service: 'before', durability: 'each' }))
    expect(merging.add(settings('a.yaml', { service: 'after' }))).toBe(true)
    expect(merging.add(settings('a.yaml', { service: 'after' }))).toBe(false)
    expect(merging.merged).toMatchObject({ service: 'after', durability: 'interval' })
    expect([...merging.contradictions]).toEqual([])
  })

  test.each(['service', 'host', 'key'] as const)(
    'two that name different values of "%s" contradict each other',
    (field) => {
      const [first, silent, other] = [
        settings('a.yaml', { [field]: 'one' }),
        settings('b.yaml'),
        settings('enableJournal()', { [field]: 'two' }),
      ]
      const merging = merged(silent, first, other)
      expect(merging.merged[field]).toBe('one')
      expect([first, silent].map((one) => merging.contradictionOf(one))).toEqual([undefined, undefined])
      expect(merging.contradictionOf(other)).toMatchObject({
        code: 'JOURNAL_INVALID',
        message: expect.stringContaining(
          `about the ${field}. Expected "one" by "a.yaml", found "two" by "enableJournal()"`,
        ) as string,
        expected: '"one" by "a.yaml"',
        found: '"two" by "enableJournal()"',
      })
    },
  )

  test('a contradiction says no PIN', () => {
    const key = (pin: string) => `pkcs11:token=t;object=o?pin-value=${pin}`
    const [first, other] = [settings('a.yaml', { key: key('1234') }), settings('b.yaml', { key: key('5678') })]
    expect(JSON.stringify(merged(first, other).contradictionOf(other))).not.toMatch(/1234|5678/)
  })
})
