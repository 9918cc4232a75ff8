import { spawnSync } from 'node:child_process'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ERROR_CODES, ModelSealError, shown, withHint, type ErrorCode } from './errors.ts'
import type { Verdict } from './results.ts'

describe('shown', () => {
  test.each([
    ['a line break', 'a\nb', '"a\\u{a}b"'],
    ['a carriage return', 'a\rb', '"a\\u{d}b"'],
    ['an escape sequence of terminals', '\u001b[2Ja', '"\\u{1b}[2Ja"'],
    ['a C1 control character', 'a\u009bb', '"a\\u{9b}b"'],
    ['a right-to-left override', 'a\u202eb', '"a\\u{202e}b"'],
    ['an isolate', 'a\u2066b\u2069', '"a\\u{2066}b\\u{2069}"'],
    ['a line and a paragraph separator', '\u2028\u2029', '"\\u{2028}\\u{2029}"'],
    ['a lone surrogate', 'a\ud800', '"a\\u{d800}"'],
    ['a private-use character', '\ue000', '"\\u{e000}"'],
    ['a byte order mark', '\ufeffa', '"\\u{feff}a"'],
    ['quotes and backslashes', 'a"b\\c', '"a\\"b\\\\c"'],
  ])('escapes %s', (_, value, expected) => {
    expect(shown(value)).toBe(expected)
  })

  test('leaves the letters of every script as they are', () => {
    expect(shown('модель/重み 😀.bin')).toBe('"модель/重み 😀.bin"')
  })

  test('cuts a long name', () => {
    expect(shown('x'.repeat(10_000))).toBe(`"${'x'.repeat(300)}…"`)
  })

  test('never contains a line break, a control character, a direction mark or an unescaped quote', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (value) => {
        const text = shown(value)
        expect(text).not.toMatch(/[\p{C}\p{Zl}\p{Zp}]/u)
        expect(text.slice(1, -1).replaceAll(/\\./g, '')).not.toContain('"')
      }),
    )
  })
})

describe('ModelSealError', () => {
  test('says what failed, what was expected and found, and what to do', () => {
    const error = new ModelSealError('FILE_MISMATCH', 'It differs.', { expected: 'a', found: 'b', hint: 'Do this.' })
    expect(error.message).toBe('It differs. Expected a, found b. Do this.')
    expect(new ModelSealError('FILE_MISMATCH', 'It differs.', { found: 'b' }).message).toBe('It differs. Found b.')
  })

  test('crosses a thread as plain JSON without losing anything but its cause', () => {
    const error = new ModelSealError('FILE_MISMATCH', 'It differs.', {
      file: 'a',
      expected: '1',
      found: '2',
      hint: 'Do.',
      problems: [{ code: 'FILE_MISMATCH', file: 'a' }],
      cause: new Error('why'),
    })
    const revived = ModelSealError.revive(structuredClone(error.toJSON()))
    expect(revived).toBeInstanceOf(ModelSealError)
    expect(revived.toJSON()).toEqual(error.toJSON())
    expect(revived.stack).toBeTypeOf('string')
  })

  test('is recognized by instanceof across the ESM and the CommonJS build', () => {
    const script = `
      const esm = await import('@modelseal/core')
      const cjs = (await import('node:module')).createRequire(process.cwd() + '/')('@modelseal/core')
      if (esm.ModelSealError === cjs.ModelSealError) throw new Error('one copy proves nothing')
      const told = [new esm.ModelSealError('INTERNAL', '') instanceof cjs.ModelSealError,
        new cjs.ModelSealError('INTERNAL', '') instanceof esm.ModelSealError,
        new Error('') instanceof esm.ModelSealError, null instanceof esm.ModelSealError]
      process.stdout.write(JSON.stringify(told))`
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      cwd: new URL('..', import.meta.url),
      encoding: 'utf8',
    })
    expect(stderr).toBe('')
    expect(JSON.parse(stdout)).toEqual([true, true, false, false])
  })

  test('is otherwise the same with another hint', () => {
    const cause = new Error('why')
    const problems = [{ code: 'FILE_MISMATCH', file: 'a' }] as const
    const error = new ModelSealError('FILE_MISMATCH', 'It differs.', {
      file: 'a',
      found: 'b',
      hint: 'Do.',
      problems,
      cause,
    })
    error.verdict = {} as Verdict
    const other = withHint(error, 'Do that.')
    expect(other.message).toBe('It differs. Found b. Do that.')
    expect(other.toJSON()).toEqual({ ...error.toJSON(), message: other.message, hint: 'Do that.' })
    expect(other.cause).toBe(cause)
    expect(other.verdict).toBe(error.verdict)
  })

  test('has a one-line meaning for each code', () => {
    for (const code of Object.keys(ERROR_CODES) as ErrorCode[]) {
      expect(code).toMatch(/^[A-Z0-9_]+$/)
      expect(ERROR_CODES[code]).toMatch(/^[^\n]{15,}$/)
    }
  })
})
