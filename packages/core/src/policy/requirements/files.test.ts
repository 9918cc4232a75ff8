import { describe, expect, test } from 'vitest'
import { accepts } from '../../testing/evidence.ts'
import { compileFileRequirements, fileRequirementFields as fields, ofDataset } from './files.ts'

const DAY = 86_400_000

describe('what a rule requires of files', () => {
  test.each<[keyof typeof fields, unknown[], unknown[]]>([
    ['files', [undefined, 'all', 'loaded', 'ignore-unsigned'], ['none', '', true]],
    ['unsigned', [undefined, 'a/*', ['a', 'b/**']], [[], '../a', '/a', '']],
    ['isolation', [undefined, ['memory'], ['copy', 'in-place']], [[], 'memory', ['none']]],
    ['maxBundleBytes', [undefined, 1, 512_000_000], [0, 512_000_001, 1.5, '1']],
    ['pinned', [undefined, true, false], ['yes', 1]],
    ['receipts', [undefined, 'never', 'allow', { maxAge: '1d' }], ['always', true, {}, { maxAge: 1 }]],
  ])('has the field %s', (name, valid, invalid) => {
    expect(accepts(fields[name], valid)).toEqual(valid.map(() => true))
    expect(accepts(fields[name], invalid)).toEqual(invalid.map(() => false))
  })

  test('is that all files are checked, by default', () => {
    const compiled = compileFileRequirements({})
    expect(compiled.files).toBe('all')
    // A field that is undefined is not absent.
    expect(Object.keys(compiled)).toEqual(['files'])
  })

  test('has no prototype, which others could change', () => {
    expect(Object.getPrototypeOf(compileFileRequirements({}))).toBeNull()
  })

  test('is what is given', () => {
    const given = { files: 'loaded', isolation: ['memory'], maxBundleBytes: 7, pinned: true } as const
    expect({ ...compileFileRequirements({ ...given, isolation: ['memory'] }) }).toEqual(given)
    expect({ ...compileFileRequirements({ pinned: false }) }).toEqual({ files: 'all' })
  })

  test('is for datasets that only files that are read are checked, unless it says otherwise', () => {
    const of = (given: Parameters<typeof compileFileRequirements>[0]) => ofDataset(compileFileRequirements(given))
    expect({ ...of({ pinned: true }) }).toEqual({ files: 'loaded', pinned: true })
    expect(Object.getPrototypeOf(of({}))).toBeNull()
    for (const files of ['all', 'loaded', 'ignore-unsigned'] as const) expect(of({ files }).files).toBe(files)
  })

  test('allows unsigned files by glob', () => {
    const { unsigned } = compileFileRequirements({ unsigned: ['a/*', 'b'] })
    expect(['a/x', 'b', 'c', 'a/x/y'].map((name) => unsigned?.(name))).toEqual([true, true, false, false])
  })

  test.each([
    ['allow', { maxAge: { months: 0, milliseconds: 7 * DAY } }],
    [{ maxAge: '2d' }, { maxAge: { months: 0, milliseconds: 2 * DAY } }],
    [{ maxAge: 'never' }, undefined],
    ['never', undefined],
  ] as const)('allows receipts %j', (receipts, expected) => {
    const compiled = compileFileRequirements({ receipts })
    expect(compiled.receipts).toEqual(expected)
    expect(Object.hasOwn(compiled, 'receipts')).toBe(expected !== undefined)
  })
})
