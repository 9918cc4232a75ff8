import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { OpenOptions } from '@modelseal/core'
import type { LoadOutcome } from '@modelseal/core/adapter'
import { keySigner, signModel } from '@modelseal/core/signing'
import { expect, test } from 'vitest'
import { publisherIn, scratch, writeTree } from './support/models.ts'

const { loadVerifiedTensors } = (await import(String(new URL('../examples/safetensors.mjs', import.meta.url)))) as {
  loadVerifiedTensors: (
    source: string,
    options: OpenOptions,
  ) => Promise<LoadOutcome & { tensors: Map<string, unknown> }>
}

const header = JSON.stringify({ weights: { dtype: 'F32', shape: [2], data_offsets: [0, 8] } })
const length = Buffer.alloc(8)
length.writeBigUInt64LE(BigInt(header.length))
const file = Buffer.concat([length, Buffer.from(header), Buffer.from(Float32Array.of(1.5, -2).buffer)])

test('the safetensors adapter returns the tensors of a signed file under a rule for its format, and refuses a changed file', async () => {
  const directory = scratch()
  const { privateKey, policy } = publisherIn(directory)
  const model = join(directory, 'model')
  writeTree(model, { 'model.safetensors': file })
  await signModel(model, { signer: await keySigner({ privateKey }) })
  const { tensors, decision } = await loadVerifiedTensors(model, { policy })
  expect(decision).toBe('accepted')
  expect(tensors).toEqual(new Map([['weights', { shape: [2], data: Float32Array.of(1.5, -2) }]]))

  const sandbox = policy.replace('policy.yaml', 'sandbox.yaml')
  writeFileSync(sandbox, readFileSync(policy, 'utf8').replace("path: '**'", 'format: safetensors'))
  const byFormat = { rule: 'all', model: { format: 'safetensors' } }
  expect(await loadVerifiedTensors(model, { policy: sandbox })).toMatchObject({ verdict: byFormat })

  writeFileSync(join(model, 'model.safetensors'), file.with(-1, 0x40))
  await expect(loadVerifiedTensors(model, { policy })).rejects.toMatchObject({ code: 'FILE_MISMATCH' })
})

test('the code in docs/how-to/adapters.md matches the example', () => {
  const read = (name: string) => readFileSync(join(import.meta.dirname, '..', name), 'utf8')
  expect(read('docs/how-to/adapters.md')).toContain(
    `\`\`\`js file=safetensors.mjs\n${read('examples/safetensors.mjs')}\`\`\``,
  )
})
