import { expect, test, vi } from 'vitest'
import * as reading from '../../bundle/read-bundle.ts'
import { ModelSealError } from '../../errors.ts'
import { scratch } from '../../testing/scratch.ts'
import { inspectModel } from './inspect-model.ts'

vi.mock('../../bundle/read-bundle.ts', async (original) => {
  const real = await original<typeof reading>()
  return { ...real, readBundle: vi.fn(real.readBundle) }
})

test.each([new ModelSealError('ABORTED', 'No.'), new TypeError('a mistake')])(
  'an abort or a mistake while a bundle is read is no fault of the bundle: %s',
  async (error) => {
    vi.mocked(reading.readBundle).mockRejectedValueOnce(error)
    await expect(inspectModel(`${scratch({ 'm.sig': '{}' })}/m.sig`)).rejects.toBe(error)
  },
)
