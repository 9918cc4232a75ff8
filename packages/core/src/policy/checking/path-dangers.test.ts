import { expect, test } from 'vitest'
import { formatDangers } from './format-dangers.ts'
import { lapse } from './lapse.ts'
import { pathDangers } from './path-dangers.ts'

test.each([
  ['~/models', 'Policies do not expand "~"'],
  ['~', 'Policies do not expand "~"'],
  ['~ann/models', 'Policies do not expand "~"'],
  ['$HOME/models', 'Policies do not expand variables'],
  ['a/$b', 'Policies do not expand variables'],
  ['${HOME}/models', 'Policies do not expand variables'],
  ['$\\{HOME\\}/models', 'Policies do not expand variables'],
  ['%APPDATA%/models', 'Policies do not expand variables'],
  ['C:\\\\models', 'A backslash escapes'],
  ['d:\\models', 'A backslash escapes'],
  ['^models', 'not a regular expression'],
  ['models$', 'not a regular expression'],
  ['models.*', 'not a regular expression'],
  ['models\\.onnx', 'not a regular expression'],
])('warns about the path %s', (path, fix) => {
  const found = pathDangers(path)
  expect(found).toMatchObject([{ severity: 'warning', code: 'PATH_MISSPELT' }])
  expect(found[0]?.message).toContain(`The path ${JSON.stringify(path)} probably matches nothing. `)
  expect(found[0]?.message).toContain(fix)
})

test('warns about each of several paths', () => {
  expect(pathDangers(['a', '~/b', '$c'])).toHaveLength(2)
})

test.each(['models/**', 'a~/b', 'a/~b', 'a%b%', 'ab:\\c', 'a:b', 'a^b', 'a$/b', 'a.b', 'x/C:\\\\a'])(
  'does not warn about the path %s',
  (path) => expect(pathDangers(path)).toEqual([]),
)

test('does not warn without a path', () => {
  expect(pathDangers(undefined)).toEqual([])
})

test('warns once about each format that no adapter loads', () => {
  expect(formatDangers(['onnx', 'gguf', 'gguf', 'saved-module'])).toEqual([
    { severity: 'warning', code: 'FORMAT_UNKNOWN', message: expect.stringContaining('the format "gguf"') as string },
    { severity: 'warning', code: 'FORMAT_UNKNOWN', message: expect.stringContaining('"saved-model"?') as string },
  ])
  expect([undefined, 'any', 'onnx'].map(formatDangers)).toEqual([[], [], []])
})

test('warns a month before something ends', () => {
  const now = Date.parse('2026-06-01T00:00:00Z')
  const month = 30 * 24 * 3_600_000
  expect(lapse('KEY_LAPSES', 'It is not valid', now + month + 1, now)).toEqual([])
  for (const end of [now + month, now, now - month])
    expect(lapse('KEY_LAPSES', 'It is not valid', end, now)).toEqual([
      { severity: 'warning', code: 'KEY_LAPSES', message: `It is not valid from ${new Date(end).toISOString()} on.` },
    ])
})
