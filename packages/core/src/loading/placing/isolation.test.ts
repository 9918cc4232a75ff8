import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest'
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

describe('a refusal of the isolation', () => {
  const refused = (details: object) => refusal('ISOLATION_REFUSED', details)

  test('says what the rule allows and what was requested', () => {
    const details = { expected: 'memory or copy', found: 'in-place' }
    expect(() => allowed('in-place', ['memory', 'copy'])).toThrow(refused(details))
    expect(() => allowed('auto', ['in-place']).checkReading()).toThrow(
      refused({ expected: 'in-place', found: 'memory' }),
    )
    expect(() => allowed('auto', ['memory']).checkPlacing()).toThrow(
      refused({ expected: 'memory', found: 'in-place or copy' }),
    )
  })

  test('of paths depends on what the runtime can load', () => {
    for (const asked of ['auto', 'copy'] as const) expect(() => allowed(asked).checkPlacing('copy')).not.toThrow()
    for (const asked of ['auto', 'copy', 'in-place'] as const) expect(() => allowed(asked).checkPlacing()).not.toThrow()
    expect(() => allowed('in-place').checkPlacing('copy')).toThrow(
      refused({ expected: 'the isolation "copy"', found: '"in-place"' }),
    )
    expect(() => allowed('auto', ['memory', 'in-place']).checkPlacing('copy')).toThrow(
      refused({ expected: 'memory or in-place', found: 'copy' }),
    )
  })

  test('of paths names the isolation that was requested', () => {
    for (const as of [undefined, 'copy'] as const)
      expect(() => allowed('memory').checkPlacing(as)).toThrow(
        refused({ expected: undefined, hint: expect.stringContaining('"auto"') as string }),
      )
  })

  test('is none for what the rule allows', () => {
    expect([allowed('copy').copiesAllowed, allowed('in-place', ['in-place', 'copy']).copiesAllowed]).toEqual([
      true,
      true,
    ])
    expect(allowed('in-place', ['in-place']).copiesAllowed).toBe(false)
  })
})

describe('memory in place of paths', () => {
  test('is used as far as there is memory, if it is allowed', () => {
    const available = vi.spyOn(process, 'availableMemory').mockReturnValue(1_000)
    onTestFinished(() => available.mockRestore())
    expect([allowed('auto').inMemoryInstead(1_000), allowed('auto').inMemoryInstead(1_001)]).toEqual([true, false])
    expect(allowed('copy').inMemoryInstead(1)).toBe(false)
    expect(allowed('auto', ['copy', 'in-place']).inMemoryInstead(1)).toBe(false)
  })

  test.each<[Isolation, string[] | undefined, string]>([
    ['auto', undefined, 'Do this.'],
    ['copy', undefined, 'Do this, or use the isolation "auto" or "memory" if the runtime accepts buffers.'],
    ['auto', ['memory', 'copy'], 'Do this.'],
    [
      'auto',
      ['copy'],
      'Do this, or allow "memory" in "require.isolation" of the rule "rule" if the runtime accepts buffers.',
    ],
  ])('is in the hint if it would help (%s, %j)', (asked, rule, hint) => {
    expect(allowed(asked, rule).placeHint('Do this')).toBe(hint)
    expect(allowed(asked, rule).placeHint()).toContain('TMPDIR')
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
