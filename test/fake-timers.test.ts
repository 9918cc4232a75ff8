import { writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { mock } from 'node:test'
import * as core from '@modelseal/core'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { Workspace } from './signed-models.ts'

// Tests of a program can replace timers while it loads a model. Nothing advances their clock, so waiting for them never ends.

let workspace: Workspace
const models = new Map<number, string>()
const SIZES = [7, 20]

beforeAll(async () => {
  workspace = new Workspace()
  for (const size of SIZES)
    models.set(size, await workspace.sign(`of-${size}-MB`, { 'weights.bin': new Uint8Array(size * 1e6) }))
})
afterAll(() => workspace[Symbol.dispose]())
afterEach(() => {
  vi.useRealTimers()
  mock.timers.reset()
})

const require = createRequire(import.meta.url)

/** The core as a program has just loaded it. */
function loadedAnew(): typeof core {
  for (const path of Object.keys(require.cache))
    if (path.includes('/core/dist/')) Reflect.deleteProperty(require.cache, path)
  return require('@modelseal/core') as typeof core
}

describe.each([
  ['import', core],
  ['require', require('@modelseal/core') as typeof core],
])('under fake timers, by %s', (_how, { configureHashing, openVerifiedModel }) => {
  test.each(SIZES)('a model of %d MB loads', async (size) => {
    configureHashing({})
    vi.useFakeTimers({ now: 0 })
    for (const isolation of ['memory', 'copy'] as const) {
      const model = await openVerifiedModel(models.get(size)!, {
        policy: workspace.policy,
        isolation,
        onProgress: () => {},
      })
      expect(model.verdict.decision).toBe('accepted')
      await model.close()
    }
  })
})

// As in a setup file of the tests.
describe.each<[string, () => unknown]>([
  ['vitest', () => vi.useFakeTimers({ now: 0 })],
  ['Sinon.JS, including the modules of Node.js', () => vi.useFakeTimers({ now: 0, fakeNodeBuiltins: true })],
  ['node:test', () => mock.timers.enable()],
])('a core that is loaded after the timers were replaced by %s', (_by, replace) => {
  test.each(SIZES)('loads a model of %d MB whose files have just changed', async (size) => {
    const { setTimeout } = await import('node:timers')
    replace()
    expect(globalThis.setTimeout).not.toBe(setTimeout)
    const { openVerifiedModel, closeHashPool } = loadedAnew()
    writeFileSync(join(models.get(size)!, 'weights.bin'), new Uint8Array(size * 1e6))
    const model = await openVerifiedModel(models.get(size)!, { policy: workspace.policy, isolation: 'copy' })
    expect(model.verdict.decision).toBe('accepted')
    await model.close()
    await closeHashPool()
  })
})
