import * as transformers from '@huggingface/transformers'
import { expect, test, vi } from 'vitest'
import { refuseOutsideParts } from './outside-parts.ts'

const refusal = expect.objectContaining({ code: 'FILE_NOT_SIGNED' }) as Error

function textToAudio(): transformers.TextToAudioPipeline {
  const model = { generate_speech: vi.fn(() => ({ waveform: new transformers.Tensor('float32', [0], [1]) })) }
  const processor = { feature_extractor: { config: { sampling_rate: 1 } } }
  const tokenizer = () => ({ input_ids: { dims: [1] } })
  const parts = { task: 'text-to-audio', model, processor, tokenizer }
  return new transformers.TextToAudioPipeline(parts as never)
}

const speaker_embeddings = new Float32Array(1)

test('a speech pipeline does not fetch an unverified vocoder', async () => {
  const pipeline = textToAudio()
  refuseOutsideParts(transformers, pipeline)
  await expect(pipeline('hello', { speaker_embeddings })).rejects.toThrow(refusal)
})

test('a speech pipeline works with the vocoder that it is given', async () => {
  const pipeline = textToAudio()
  refuseOutsideParts(transformers, pipeline)
  Object.assign(pipeline, { vocoder: {} })
  await expect(pipeline('hello', { speaker_embeddings })).resolves.toBeDefined()
})

test.each([
  ['a processor', (processor: object) => processor],
  ['the processor of a pipeline', (processor: object) => ({ processor })],
])('refuses %s whose tokenizers are from other repositories', (_, loaded) => {
  const processor = new transformers.MgpstrProcessor({}, {}, null)
  expect(() => refuseOutsideParts(transformers, loaded(processor))).toThrow(refusal)
})

test.each([[undefined], [null], ['text'], [{}], [{ processor: {} }]])('accepts %o', (loaded) => {
  expect(() => refuseOutsideParts(transformers, loaded)).not.toThrow()
})
