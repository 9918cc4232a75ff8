import { ModelSealError } from '@modelseal/core'
import type { FileProblem } from '@modelseal/core/errors'
import { Command } from 'commander'
import { afterEach, expect, test, vi } from 'vitest'
import { failureText, reportFailure } from './failure.ts'
import { logLevelOption } from './log-level.ts'

const PIPE = {}

afterEach(() => {
  vi.restoreAllMocks()
  vi.unstubAllEnvs()
})

test('prints a failure as one paragraph with its code', async () => {
  const error = new ModelSealError('MODEL_NOT_FOUND', 'There is no model at "m".', { hint: 'Look again.' })
  expect(await failureText(error.toJSON(), PIPE)).toBe('Error MODEL_NOT_FOUND: There is no model at "m". Look again.\n')
})

test('wraps lines to the width of a terminal, and uses colours only there', async () => {
  const error = new ModelSealError('MODEL_NOT_FOUND', `There is no model ${'here '.repeat(30)}.`)
  const text = await failureText(error.toJSON(), { isTTY: true, columns: 60, hasColors: () => true })
  expect(text).toContain('\u001b[31m')
  const lines = text
    .replaceAll(/\u001b\[\d+m/g, '')
    .trimEnd()
    .split('\n')
  expect(lines.length).toBeGreaterThan(2)
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(60)
  expect(await failureText(error.toJSON(), { isTTY: true, columns: 60, hasColors: () => false })).not.toContain(
    '\u001b',
  )
})

test('lists at most 20 files individually, then how many more, then what to do', async () => {
  const problems: FileProblem[] = Array.from({ length: 23 }, (_, index) => ({
    code: index === 0 ? 'FILE_MISMATCH' : 'FILE_UNSIGNED',
    file: index === 1 ? 'bad\n"name\u001b[2J' : `file-${index}`,
  }))
  const error = new ModelSealError('FILE_MISMATCH', 'A sentence.', { problems, hint: 'Do not load it.' })
  const lines = (await failureText(error.toJSON(), PIPE)).trimEnd().split('\n')
  expect(lines).toHaveLength(23)
  expect(lines[0]).toBe('Error FILE_MISMATCH: 23 files do not match the signature:')
  expect(lines[1]).toBe('  changed   "file-0"')
  expect(lines[2]).toBe('  unsigned  "bad\\u{a}\\"name\\u{1b}[2J"')
  expect(lines[21]).toBe('  and 3 more (see --json)')
  expect(lines[22]).toBe('Do not load it.')
})

test('escapes terminal control characters', async () => {
  const text = await failureText({ code: 'INTERNAL', message: 'a\u001b[2J\nError FAKE: b' }, PIPE)
  expect(text).toBe('Error INTERNAL: a\\u{1b}[2J\\u{a}Error FAKE: b\n')
})

test.each([
  ['the environment', '1', []],
  ['the log level', '', ['--log-level', 'DEBUG']],
])('reports an unexpected failure in one line, and its stack only if %s requests it', async (_, variable, options) => {
  const printed: string[] = []
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => printed.push(String(text)) > 0)
  const unforeseen = new TypeError('no\nsuch thing')
  expect(await reportFailure(unforeseen, new Command(), [])).toBe(1)
  expect(printed).toHaveLength(1)
  expect(printed[0]).toMatch(/^Error INTERNAL: .*no\\u\{a\}such thing.*MODELSEAL_DEBUG=1.*\n$/)

  vi.stubEnv('MODELSEAL_DEBUG', variable)
  const program = new Command().addOption(logLevelOption()).parse(options, { from: 'user' })
  const cause = new Error('deep\u001b[2J')
  cause.cause = cause
  await reportFailure(Object.assign(unforeseen, { cause }), program, [])
  expect(printed).toHaveLength(3)
  expect(printed[2]).toMatch(/failure\.test\.ts[^]*\n {2}caused by:\n {2}Error: deep\\u\{1b\}\[2J\n/)
})
