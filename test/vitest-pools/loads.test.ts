import { createRequire } from 'node:module'
import { join } from 'node:path'
import { runInThisContext } from 'node:vm'
import * as core from '@modelseal/core'
import * as onnx from '@modelseal/onnxruntime'
import { describe, expect, inject, test } from 'vitest'

// Runs in each pool of vitest that evaluates imports in a separate realm.

const { models, accepted, refused } = inject('signed')
const options = { policy: join(models, 'modelseal.policy.yaml') }
const at = (name: string) => join(models, name)
const require = createRequire(import.meta.url)

test('the pool has its own realm', () => {
  expect(runInThisContext('Error') === Error).toBe(false)
})

describe.each([
  ['import', core, onnx],
  ['require', require('@modelseal/core') as typeof core, require('@modelseal/onnxruntime') as typeof onnx],
])('by %s', (_how, { ModelSealError, openVerifiedModel }, { loadVerifiedModel }) => {
  test.each(accepted)('a model that was signed %s loads', async (name) => {
    await using model = await openVerifiedModel(at(name), options)
    expect(model.verdict.decision).toBe('accepted')
    expect(JSON.parse(new TextDecoder().decode(await model.read('config.json')))).toEqual({ rate: 16000 })
  })

  test.each(accepted)('ONNX Runtime gets a model that was signed %s', async (name) => {
    const { session, verdict } = await loadVerifiedModel(at(`${name}/model.onnx`), options)
    expect(verdict.decision).toBe('accepted')
    expect(session.inputNames).toContain('input')
    await session.release()
  })

  test.each(Object.entries(refused))('%s is refused', async (name, refusal) => {
    const error: unknown = await loadVerifiedModel(at(`${name}/model.onnx`), options).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(ModelSealError)
    expect(error).toMatchObject(refusal)
  })
})
