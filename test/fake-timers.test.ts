import { createRequire } from 'node:module'
import * as core from '@modelseal/core'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { Workspace } from './signed-models.ts'

// A program's tests replace the timers while the program loads a model. Nobody moves their clock on, so what waits for them never ends.

let workspace: Workspace
const models = new Map<number, string>()
const SIZES = [7, 20]

beforeAll(async () => {
  workspace = new Workspace()
  for (const size of SIZES)
    models.set(size, await workspace.sign(`of-${size}-MB`, { 'weights.bin': new Uint8Array(size * 1e6) }))
})
afterAll(() => workspace[Symbol.dispose]())
afterEach(() => vi.useRealTimers())

describe.each([
  ['import', core],
  ['require', createRequire(import.meta.url)('@modelseal/core') as typeof core],
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
