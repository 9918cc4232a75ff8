import { afterEach, describe, expect, test, vi } from 'vitest'
import type { Rule } from '../../policy/rule.ts'
import { ISOLATION_LEVELS } from '../../policy/terms.ts'
import { refusal } from '../../testing/scratch.ts'
import { openOptions } from '../open-options.ts'
import { AllowedIsolation, AUTO_MEMORY_BYTES, type Isolation } from './isolation.ts'

function allowed(asked: Isolation, isolation?: string[]): AllowedIsolation {
  return new AllowedIsolation(asked, { name: 'rule', require: isolation ? { isolation } : {} } as unknown as Rule)
}

describe('the isolation of a load', () => {
  test('is memory for small files and a path for large ones by default', () => {
    const isolation = allowed('auto')
    expect(isolation.inMemory(AUTO_MEMORY_BYTES)).toBe(true)
    expect(isolation.inMemory(AUTO_MEMORY_BYTES + 1)).toBe(false)
    expect(isolation.levels).toEqual(['memory', 'in-place', 'copy'])
  })

  test('is memory for any size if nothing else is allowed', () => {
    expect(allowed('memory').inMemory(2 ** 40)).toBe(true)
    expect(allowed('auto', ['memory']).inMemory(2 ** 40)).toBe(true)
  })

  test('is a path for any size if memory is not allowed, or another isolation is requested', () => {
    expect(allowed('copy').inMemory(1)).toBe(false)
    expect(allowed('in-place').inMemory(1)).toBe(false)
    expect(allowed('auto', ['copy']).inMemory(1)).toBe(false)
  })

  test('is refused if caller and rule allow different ones', () => {
    expect(() => allowed('in-place', ['memory', 'copy'])).toThrow(refusal('ISOLATION_REFUSED'))
    expect(() => allowed('memory', ['copy'])).toThrow(refusal('ISOLATION_REFUSED'))
  })

  test('a rule without memory lets no loader read files into memory', () => {
    expect(() => allowed('auto', ['copy']).checkReading()).toThrow(refusal('ISOLATION_REFUSED'))
    expect(() => allowed('copy', ['memory', 'copy']).checkReading()).not.toThrow()
  })

  test('a rule or a caller with only memory lets no loader have a path', () => {
    expect(() => allowed('memory').checkPlacing()).toThrow(refusal('ISOLATION_REFUSED'))
    expect(() => allowed('auto', ['memory']).checkPlacing()).toThrow(refusal('ISOLATION_REFUSED'))
  })
})

describe('MODELSEAL_ISOLATION', () => {
  afterEach(() => void vi.unstubAllEnvs())

  test('is the isolation of a load that specifies none', () => {
    vi.stubEnv('MODELSEAL_ISOLATION', 'memory')
    expect(openOptions(undefined).isolation).toBe('memory')
    expect(openOptions({ maxBytes: 1 })).toMatchObject({ isolation: 'memory', maxBytes: 1 })
    expect(openOptions({ isolation: 'copy' }).isolation).toBe('copy')
    vi.stubEnv('MODELSEAL_ISOLATION', '')
    expect(openOptions({}).isolation).toBeUndefined()
  })

  test.each([...ISOLATION_LEVELS, 'auto'])('can be %s', (isolation) => {
    vi.stubEnv('MODELSEAL_ISOLATION', isolation)
    expect(openOptions({}).isolation).toBe(isolation)
  })

  test('allows nothing that the rule excludes', () => {
    vi.stubEnv('MODELSEAL_ISOLATION', 'memory')
    const { isolation = 'auto' } = openOptions(undefined)
    expect(() => allowed(isolation, ['copy', 'in-place'])).toThrow(refusal('ISOLATION_REFUSED'))
  })

  test('is refused if it is not an isolation', () => {
    vi.stubEnv('MODELSEAL_ISOLATION', 'ram')
    expect(() => openOptions({})).toThrow(refusal('INVALID_ARGUMENT', { found: '"ram"' }))
    expect(openOptions({ isolation: 'copy' }).isolation).toBe('copy')
  })
})
