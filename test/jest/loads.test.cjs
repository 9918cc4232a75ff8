/* global test, expect */
const { join } = require('node:path')
const core = require('@modelseal/core')
const onnx = require('@modelseal/onnxruntime')

const at = (name) => join(process.env.MODELS, name)

test.each(['by-key', 'by-certificate', 'by-sigstore'])('a model that was signed %s loads', async (name) => {
  const model = await core.openVerifiedModel(at(name))
  expect(model.verdict.decision).toBe('accepted')
  expect(JSON.parse(new TextDecoder().decode(await model.read('config.json')))).toEqual({ rate: 16000 })
  await model.close()
})

test.each(['by-key', 'by-certificate', 'by-sigstore'])('ONNX Runtime gets a model that was signed %s', async (name) => {
  const { session, verdict } = await onnx.loadVerifiedModel(at(`${name}/model.onnx`))
  expect(verdict.decision).toBe('accepted')
  expect(session.inputNames).toContain('input')
  await session.release()
})

const changed = { code: 'FILE_MISMATCH', file: 'config.json' }
test.each([
  ['by-key-changed', changed],
  ['by-certificate-changed', changed],
  ['by-sigstore-changed', changed],
  ['by-certificate-of-another', { code: 'CHAIN_NO_PATH' }],
  ['by-sigstore-as-another', { code: 'SIGNER_NOT_TRUSTED' }],
])('%s is refused, as an error of this package', async (name, refusal) => {
  const error = await onnx.loadVerifiedModel(at(`${name}/model.onnx`)).catch((thrown) => thrown)
  expect(error).toBeInstanceOf(core.ModelSealError)
  expect(error).toMatchObject(refusal)
})

test('missing models are reported', async () => {
  await expect(core.openVerifiedModel(at('by-key-nowhere'))).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' })
})

test('an aborted load is refused', async () => {
  const controller = new AbortController()
  controller.abort()
  await expect(core.openVerifiedModel(at('by-key'), { signal: controller.signal })).rejects.toBeDefined()
})
