/* global test, expect */
const { join } = require('node:path')
const core = require('@modelseal/core')
const onnx = require('@modelseal/onnxruntime')

const at = (name) => join(process.env.MODELS, name)

test('a model loads as it was signed, and its files are handed out', async () => {
  const model = await core.openVerifiedModel(at('good'))
  expect(model.verdict.decision).toBe('accepted')
  expect(JSON.parse(new TextDecoder().decode(await model.read('config.json')))).toEqual({ rate: 16000 })
  await model.close()
})

test('ONNX Runtime gets a verified model', async () => {
  const { session, verdict } = await onnx.loadVerifiedModel(at('good/model.onnx'))
  expect(verdict.decision).toBe('accepted')
  expect(session.inputNames).toContain('input')
  await session.release()
})

test('a changed file is refused, as an error of this package', async () => {
  const error = await onnx.loadVerifiedModel(at('changed/model.onnx')).catch((thrown) => thrown)
  expect(error).toBeInstanceOf(core.ModelSealError)
  expect(error).toMatchObject({ code: 'FILE_MISMATCH', file: 'config.json' })
})

test('what is not there is not found', async () => {
  await expect(core.openVerifiedModel(at('nothing'))).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' })
})

test('an aborted load ends', async () => {
  const controller = new AbortController()
  controller.abort()
  await expect(core.openVerifiedModel(at('good'), { signal: controller.signal })).rejects.toBeDefined()
})
