import { chmodSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { loadVerifiedModel } from '@modelseal/onnxruntime'
import { Tensor } from 'onnxruntime-node'
import { expect, test } from 'vitest'
import { lookupModel } from './onnx-models.ts'
import { Workspace } from './signed-models.ts'

test('a model beyond 2 GiB loads with its weights in place', async () => {
  using workspace = new Workspace()
  const bytes = 2 ** 31 + 8
  const directory = workspace.write('large', { 'model.onnx': lookupModel('w.bin', bytes), 'w.bin': '*' })
  truncateSync(join(directory, 'w.bin'), bytes)
  await workspace.sign('large', {})
  chmodSync(join(directory, 'w.bin'), 0o644)
  const { session, verdict } = await loadVerifiedModel(directory, { policy: workspace.policy, isolation: 'in-place' })
  const { y } = await session.run({ i: new Tensor('int64', [0n], [1]) })
  expect(y?.data[0]).toBe(42)
  expect(verdict).toMatchObject({
    isolation: ['in-place'],
    bytes: expect.toSatisfy((hashed: number) => hashed > bytes),
  })
  await session.release()
})
