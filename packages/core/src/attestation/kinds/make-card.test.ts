import { describe, expect, test } from 'vitest'
import { refusal } from '../../testing/scratch.ts'
import { MAX_STATEMENT_BYTES } from '../statement.ts'
import { makeCard } from './make-card.ts'
import { MAX_TEXT } from './values.ts'

type CardType = Parameters<typeof makeCard>[1]

const CARD = 'ATTESTATION_INPUT'
const INVALID = expect.stringContaining('Cannot make a card from "README.md": its content is invalid.') as string
const source = (text: string) => ({ bytes: Buffer.from(text), file: 'README.md', name: 'vad' })
const made = (text: string, type: CardType = 'machine-learning-model') => makeCard(source(text), type)
/** The component of a card that is made from fields and a text. */
async function componentOf(yaml: string, type?: CardType, text = ''): Promise<unknown> {
  const { metadata } = (await made(`---\n${yaml}\n---\n${text}`, type)) as { metadata: { component: unknown } }
  return metadata.component
}

describe('a card from a README.md', () => {
  test('is a CycloneDX document with the current time', async () => {
    const document = await made('---\n---\n')
    expect(document).toStrictEqual({
      $schema: 'http://cyclonedx.org/schema/bom-1.7.schema.json',
      bomFormat: 'CycloneDX',
      specVersion: '1.7',
      version: 1,
      metadata: {
        timestamp: expect.stringMatching(/^\d{4}-.*Z$/) as string,
        component: { type: 'machine-learning-model', name: 'vad', modelCard: { modelParameters: {} } },
      },
    })
  })

  test('of a model has what its fields say', async () => {
    const yaml = `
license: [apache-2.0, other, house]
license_name: House Rules
license_link: https://host.example/licence
language: de
tags: [a, b]
base_model: org/base
base_model_relation: finetune
datasets: glue
pipeline_tag: asr
library_name: transformers
model-index:
- results:
  - { dataset: { name: GLUE, config: mrpc, split: test }, metrics: [{ type: f1, value: 0.9 }, { type: wer, value: 1% }] }
  - { dataset: { config: mrpc }, metrics: [{ type: a, value: 1 }] }
  - { dataset: { split: test }, metrics: [{ type: b, value: 2 }] }
  - { dataset: { name: GLUE }, metrics: [{ type: c, value: 3 }] }
- results: [{ metrics: [{ type: d, value: 4 }] }]`
    const url = 'https://host.example/licence'
    expect(await componentOf(yaml, undefined, '# Text\n')).toStrictEqual({
      type: 'machine-learning-model',
      name: 'vad',
      description: '# Text',
      licenses: [
        { license: { id: 'Apache-2.0' } },
        { license: { name: 'House Rules', url } },
        { license: { name: 'house', url } },
      ],
      tags: ['a', 'b'],
      pedigree: { ancestors: [{ type: 'machine-learning-model', name: 'org/base' }], notes: 'finetune' },
      modelCard: {
        modelParameters: { task: 'asr', datasets: [{ type: 'dataset', name: 'glue' }] },
        quantitativeAnalysis: {
          performanceMetrics: [
            { type: 'f1', value: '0.9', slice: 'GLUE (mrpc, test)' },
            { type: 'wer', value: '1%', slice: 'GLUE (mrpc, test)' },
            { type: 'a', value: '1', slice: '(mrpc)' },
            { type: 'b', value: '2', slice: '(test)' },
            { type: 'c', value: '3', slice: 'GLUE' },
            { type: 'd', value: '4' },
          ],
        },
      },
      properties: [
        { name: 'modelseal:language', value: 'de' },
        { name: 'modelseal:library', value: 'transformers' },
      ],
    })
  })

  test('of a dataset has what its fields say', async () => {
    const yaml = `
license: other
language: [de, da]
task_categories: asr
size_categories: 1K<n<10K
source_datasets: [original, 'extended|squad', 'x-extended|y', "extended|a\\nb"]`
    expect(await componentOf(yaml, 'data')).toStrictEqual({
      type: 'data',
      name: 'vad',
      licenses: [{ license: { name: 'other' } }],
      pedigree: { ancestors: [{ type: 'data', name: 'squad' }] },
      data: [{ type: 'dataset', name: 'vad' }],
      properties: [
        { name: 'modelseal:language', value: 'de' },
        { name: 'modelseal:language', value: 'da' },
        { name: 'modelseal:task', value: 'asr' },
        { name: 'modelseal:size', value: '1K<n<10K' },
      ],
    })
    const least = { type: 'data', name: 'vad', data: [{ type: 'dataset', name: 'vad' }] }
    for (const nothing of ['', 'source_datasets: original', 'source_datasets: []', 'license: []'])
      expect(await componentOf(nothing, 'data')).toStrictEqual(least)
  })

  test('has no more text than is read', async () => {
    expect(await componentOf('', 'data', 'x'.repeat(MAX_TEXT))).toMatchObject({ name: 'vad' })
    await expect(made(`---\n---\n${'x'.repeat(MAX_TEXT + 1)}`)).rejects.toEqual(
      refusal(CARD, {
        file: 'README.md',
        message: INVALID,
        expected: `a text of at most ${MAX_TEXT} characters`,
        found: `"${MAX_TEXT + 1} characters"`,
      }),
    )
    await expect(made(' '.repeat(MAX_STATEMENT_BYTES + 1))).rejects.toEqual(
      refusal(CARD, { expected: `at most ${MAX_STATEMENT_BYTES} bytes` }),
    )
  })

  test.each(['~', 'mit', '[license]'])('needs fields: %s', async (yaml) => {
    await expect(made(`---\n${yaml}\n---\n`)).rejects.toEqual(refusal(CARD, { message: INVALID }))
  })
})

describe('a card from JSON', () => {
  const CROISSANT = {
    '@context': { '@vocab': 'https://schema.org/', sc: 'https://schema.org/', dct: 'http://purl.org/dc/terms/' },
    '@type': 'sc:Dataset',
    name: 'voices',
    'dct:conformsTo': 'http://mlcommons.org/croissant/1.1',
  }

  test('may be that of a Croissant document, for a dataset', async () => {
    expect(await made(JSON.stringify(CROISSANT), 'data')).toMatchObject({
      bomFormat: 'CycloneDX',
      metadata: { component: { type: 'data', name: 'voices' } },
    })
  })

  test('cannot be that of a Croissant document for a model', async () => {
    await expect(made(JSON.stringify(CROISSANT))).rejects.toEqual(
      refusal(CARD, {
        file: 'README.md',
        expected: 'a README.md with front matter, or a CycloneDX document',
        hint: expect.stringContaining('"data-card"') as string,
        message: expect.stringContaining('Cannot make the card of a model from "README.md": ') as string,
      }),
    )
  })

  test('is refused with the name of its file if it cannot be read', async () => {
    await expect(made('{')).rejects.toEqual(
      refusal('JSON_INVALID', { message: expect.stringContaining('input file "README.md"') as string }),
    )
  })
})
