import { spawnSync } from 'node:child_process'
import { inspect } from 'node:util'
import { createRequire } from 'node:module'
import * as esm from '@modelseal/core'
import * as errors from '@modelseal/core/errors'
import { expect, test } from 'vitest'

const require = createRequire(import.meta.url)
const CLI = require.resolve('../packages/cli/bin/modelseal.cjs')

// Bundlers rename a class whose body refers to it, and stacks and logs show that name.

test.each([
  ['the ES module', esm],
  ['the CommonJS module', require('@modelseal/core') as typeof esm],
  ['the entry for errors', errors],
  ['the entry for errors in CommonJS', require('@modelseal/core/errors') as typeof errors],
])('stacks and logs say ModelSealError: %s', (_, { ModelSealError }) => {
  const error = new ModelSealError('ABORTED', 'Enough.', { cause: new TypeError('why') })
  const own = class Own extends ModelSealError {}
  expect(error.stack).toMatch(/^ModelSealError: Enough\.\n/)
  expect(inspect(error)).toMatch(/^ModelSealError: Enough\.\n/)
  expect(inspect(error)).not.toContain('_ModelSealError')
  expect(String(error)).toBe('ModelSealError: Enough.')
  expect([error.name, error.constructor.name, ModelSealError.name, own.name]).toEqual([
    'ModelSealError',
    'ModelSealError',
    'ModelSealError',
    'Own',
  ])
  expect(error).toBeInstanceOf(esm.ModelSealError)
})

test('stacks and logs show ModelSealError: the program', () => {
  const { stderr } = spawnSync(process.execPath, [CLI, 'verify', '/nowhere', '--policy', '/nowhere.yaml'], {
    encoding: 'utf8',
    env: { ...process.env, MODELSEAL_DEBUG: '1' },
  })
  expect(stderr).toMatch(/^ *ModelSealError: /m)
  expect(stderr).not.toContain('_ModelSealError')
})
