import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { refusal, scratch } from '../../../testing/scratch.ts'
import { malformed, readerPackage } from './reader-package.ts'

const containing = (text: string) => expect.stringContaining(text) as string

/** A package that cannot be loaded. */
const broken = (code: string) => join(scratch({ 'package.cjs': code }), 'package.cjs')

describe('the package that reads a format', () => {
  test('is loaded', () => {
    expect(readerPackage('a.csv', 'csv-parse', 7)).toHaveProperty('parse')
  })

  test('is named if it is not installed', () => {
    expect(() => readerPackage('a.csv', 'no-such-package', 3)).toThrow(
      refusal('DATASET_READER_UNAVAILABLE', {
        file: 'a.csv',
        message: containing('"no-such-package" is not installed'),
        found: undefined,
        hint: containing('"npm install no-such-package@3"'),
        cause: expect.objectContaining({ code: 'MODULE_NOT_FOUND' }) as Error,
      }),
    )
  })

  test.each([
    ['is broken', 'throw new Error("a fault")', 'a fault'],
    ['lacks another package', 'require("no-such-package")', "'no-such-package'"],
    ['says the same of another failure', "throw new Error(`Cannot find module '${__filename}'`)", 'Cannot find module'],
  ])('is to be installed again if it %s', (_, code, found) => {
    const name = broken(code)
    expect(() => readerPackage('a.csv', name, 7)).toThrow(
      refusal('DATASET_READER_UNAVAILABLE', {
        file: 'a.csv',
        message: containing('cannot be loaded'),
        found: containing(found),
        hint: containing(`again: "npm install ${name}@7"`),
      }),
    )
  })

  test('is to be allowed if Node.js denies it', () => {
    const name = broken('throw Object.assign(new Error("no"), { code: "ERR_DLOPEN_DISABLED" })')
    expect(() => readerPackage('a.csv', name, 7)).toThrow(
      refusal('DATASET_READER_UNAVAILABLE', { found: '"no"', hint: containing('--no-addons') }),
    )
  })
})

test('a file that is not of its format is refused with the details', () => {
  const cause = new Error('why')
  const details = { line: 3, expected: 'this', found: 'that', hint: 'Look.', cause }
  expect(malformed('a.csv', 'CSV', details)).toEqual(
    refusal('DATASET_MALFORMED', { file: 'a.csv', message: containing('"a.csv" as CSV'), ...details }),
  )
})
