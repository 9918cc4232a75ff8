import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { validate, ValidationSeverity } from 'dockerfile-utils'
import { expect, test } from 'vitest'

const text = readFileSync(join(import.meta.dirname, '../../Dockerfile'), 'utf8')

const SEVERE = {
  deprecatedMaintainer: ValidationSeverity.ERROR,
  directiveCasing: ValidationSeverity.ERROR,
  emptyContinuationLine: ValidationSeverity.ERROR,
  instructionCasing: ValidationSeverity.ERROR,
  instructionCmdMultiple: ValidationSeverity.ERROR,
  instructionEntrypointMultiple: ValidationSeverity.ERROR,
  instructionHealthcheckMultiple: ValidationSeverity.ERROR,
  instructionJSONInSingleQuotes: ValidationSeverity.ERROR,
  instructionWorkdirRelative: ValidationSeverity.ERROR,
}

// Docker itself needs a daemon. The test of the image runs what this file would copy, as this file says.
test('the Dockerfile has no fault that the linter of the Docker extension knows', () => {
  expect(validate(text, SEVERE)).toEqual([])
  expect(validate(`${text}\nEXPOSE`, SEVERE)).not.toEqual([])
})

test('the image starts from nothing, and each stage before from an image by its digest', () => {
  const bases = [...text.matchAll(/^FROM (\S+)/gm)].map(([, base = '']) => base)
  expect(bases.at(-1)).toBe('scratch')
  for (const base of bases.slice(0, -1)) expect(base).toMatch(/^node:2[246]-\w+-slim@sha256:[0-9a-f]{64}$/)
})
