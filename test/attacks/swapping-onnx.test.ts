import { chmodSync, cpSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { closeHashPool, loadPolicy, ModelSealError, type Policy } from '@modelseal/core'
import { keySigner, signModel } from '@modelseal/core/signing'
import { loadVerifiedModel } from '@modelseal/onnxruntime'
import { Tensor } from 'onnxruntime-node'
import { afterAll, describe, expect, test } from 'vitest'
import { addingModel, floats } from '../onnx-models.ts'
import { publisherIn, scratch, writeTree } from '../support/models.ts'
import { KINDS, MOST_SECONDS, REFUSALS, SECONDS, swapping } from './swaps.ts'
import { ownTemporaryDirectory } from './temporary.ts'

// The same with the real runtime, whose results reveal which weights it has.

afterAll(() => closeHashPool())

const WEIGHTS = { good: floats(10, 20), evil: floats(666, 666) }

async function target(): Promise<{ directory: string; policy: Policy }> {
  const directory = scratch()
  const publisher = publisherIn(directory)
  for (const content of ['good', 'evil'] as const) {
    const files = { 'model.onnx': addingModel('sub/weights.bin'), 'sub/weights.bin': WEIGHTS[content] }
    writeTree(join(directory, content), files)
    for (const file of Object.keys(files)) chmodSync(join(directory, content, file), 0o644)
  }
  const signer = await keySigner({ privateKey: publisher.privateKey })
  await signModel(join(directory, 'good'), { signer, signature: join(directory, 'model.sig') })
  cpSync(join(directory, 'good'), join(directory, 'models', 'model'), { recursive: true })
  return { directory, policy: await loadPolicy(publisher.policy) }
}

/** Results of the session: 1 + 10 and 2 + 20 with the signed weights. */
async function computed(directory: string, policy: Policy, isolation: 'memory' | 'copy' | 'in-place') {
  const source = { model: join(directory, 'models', 'model'), entry: 'model.onnx' }
  const signature = join(directory, 'model.sig')
  const { session } = await loadVerifiedModel(source, { policy, isolation, signature })
  const { y } = await session.run({ x: new Tensor('float32', [1, 2], [2]) })
  await session.release()
  return Array.from(y?.data as Float32Array)
}

describe.each(['memory', 'copy', 'in-place'] as const)('ONNX Runtime under %s never has evil weights', (isolation) => {
  // A process of this user can write to a mapped file, which modelseal does not defend against.
  test.each(KINDS.filter((kind) => kind !== 'write' || isolation !== 'in-place'))(
    'while they are swapped by: %s',
    async (kind) => {
      const { directory, policy } = await target()
      const temporary = ownTemporaryDirectory()
      await swapping(kind, directory)
      let [accepted, refused] = [0, 0]
      const start = performance.now()
      const seconds = () => (performance.now() - start) / 1000
      while (seconds() < SECONDS || ((accepted === 0 || refused === 0) && seconds() < MOST_SECONDS)) {
        try {
          expect(await computed(directory, policy, isolation)).toEqual([11, 22])
          accepted++
        } catch (error) {
          // In place, the runtime refuses a link whose file has since been renamed.
          const names = isolation === 'in-place' ? [...REFUSALS, 'RUNTIME_FAILED'] : [...REFUSALS]
          if (!(error instanceof ModelSealError) || !names.includes(error.code)) throw error
          refused++
        }
      }
      if (process.env['MODELSEAL_ATTACK_SECONDS'] !== undefined) console.log(isolation, kind, { accepted, refused })
      expect({ accepted: accepted > 0, refused: refused > 0 }).toEqual({ accepted: true, refused: true })
      expect(readdirSync(temporary).filter((name) => name.startsWith('modelseal-'))).toEqual([])
    },
  )
})
