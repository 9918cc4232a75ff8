import { cpSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as transformers from '@huggingface/transformers'
import { verdictOf, verified } from '@modelseal/transformers'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { copyOf, flipBit, Workspace } from '../signed-models.ts'

const MODEL = join(import.meta.dirname, '../../.cache/transformers/all-MiniLM-L6-v2')
const present = existsSync(join(import.meta.dirname, '../../.cache/transformers/made-from.txt'))
if (!present) console.warn('Skipped: all-MiniLM-L6-v2 is not there; `npm run setup:transformers` makes it.')

const SENTENCE = 'A man is playing a guitar on stage.'
const NEAR = 'Someone performs music with a guitar.'
const FAR = 'The central bank raised interest rates by half a point.'
const ISOLATIONS = ['memory', 'copy', 'in-place'] as const

const workspace = new Workspace()
const fetched = vi.fn(() => Promise.reject(new Error('there is no network')))
let directory = ''

beforeAll(async () => {
  if (!present) return
  directory = workspace.write('minilm', {})
  cpSync(MODEL, directory, { recursive: true })
  await workspace.sign('minilm', {})
})
beforeEach(() => {
  fetched.mockClear()
  transformers.env.fetch = fetched
})
afterAll(() => workspace[Symbol.dispose]())

describe.skipIf(!present)('all-MiniLM-L6-v2', () => {
  const { policy } = workspace

  describe.each(ISOLATIONS)('loaded under the isolation %s', (isolation) => {
    const { pipeline } = verified(transformers, { policy, isolation })

    test('ranks similar sentences above different ones', async () => {
      const embed = await pipeline('feature-extraction', directory)
      const vectors = (await embed([SENTENCE, NEAR, FAR], { pooling: 'mean', normalize: true })).tolist() as number[][]
      const [one, near, far] = vectors as [number[], number[], number[]]
      expect(transformers.cos_sim(one, near)).toBeGreaterThan(0.5)
      expect(transformers.cos_sim(one, far)).toBeLessThan(0.2)
      expect(verdictOf(embed)).toMatchObject({ decision: 'accepted', files: { checked: 7, signed: 7 } })
      expect(verdictOf(embed)?.isolation).toContain(isolation)
      expect(fetched).not.toHaveBeenCalled()
    })

    test('gives the same result as the graph in plain ONNX Runtime', async () => {
      const embed = await pipeline('feature-extraction', directory)
      const output = await embed(SENTENCE)
      expect(Array.from(output.data as Float32Array)).toEqual(Array.from(await plainOutput(embed.tokenizer, SENTENCE)))
    })

    test.each(['tokenizer.json', 'onnx/model.onnx', 'onnx/model.onnx_data'])(
      'is refused if %s was changed',
      async (file) => {
        const changed = copyOf(directory, `changed-${isolation}-${file.replaceAll('/', '-')}`)
        flipBit(join(changed, file))
        const refusal = expect.objectContaining({ code: 'FILE_MISMATCH', file }) as Error
        await expect(pipeline('feature-extraction', changed)).rejects.toThrow(refusal)
      },
    )
  })

  test('has the vocabulary of its tokenizer file', async () => {
    const { AutoTokenizer } = verified(transformers, { policy })
    const tokenizer = await AutoTokenizer.from_pretrained(directory)
    const words = readFileSync(join(directory, 'vocab.txt'), 'utf8').split('\n')
    const ids = tokenizer.encode('embedding of sentences')
    expect(ids.map((id) => words[id])).toEqual(['[CLS]', 'em', '##bed', '##ding', 'of', 'sentences', '[SEP]'])
  })

  test('can be loaded many times concurrently, with a separate result for each load', async () => {
    const embeds = await Promise.all(
      [...ISOLATIONS, ...ISOLATIONS].map((isolation) =>
        verified(transformers, { policy, isolation }).pipeline('feature-extraction', directory),
      ),
    )
    const outputs = await Promise.all(embeds.map(async (embed) => (await embed(FAR)).data as Float32Array))
    for (const output of outputs) expect(Array.from(output)).toEqual(Array.from(outputs[0]!))
  })

  async function plainOutput(tokenizer: transformers.PreTrainedTokenizer, text: string): Promise<Float32Array> {
    const session = await InferenceSession.create(join(MODEL, 'onnx/model.onnx'))
    const inputs = tokenizer(text) as Record<string, transformers.Tensor>
    const feeds = Object.entries(inputs).map(([name, { data, dims }]) => {
      return [name, new Tensor('int64', data as BigInt64Array, dims)]
    })
    const { last_hidden_state: state } = await session.run(Object.fromEntries(feeds) as Record<string, Tensor>)
    return state!.data as Float32Array
  }
})
