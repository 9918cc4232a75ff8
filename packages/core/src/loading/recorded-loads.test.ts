import { beforeEach, expect, test, vi } from 'vitest'
import { memorySource } from '../testing/memory-source.ts'
import { refusal } from '../testing/scratch.ts'
import { openJudged } from './open-judged.ts'
import { openOptions } from './open-options.ts'
import { recordOpened, recordRefusal } from './recording/record-load.ts'

vi.mock('./recording/record-load.ts', () => ({ recordOpened: vi.fn(), recordRefusal: vi.fn() }))

beforeEach(() => {
  for (const mocked of [recordOpened, recordRefusal]) vi.mocked(mocked).mockReset()
})

async function refused(more: { isUnrecorded?: boolean } = {}): Promise<void> {
  const options = openOptions({ policy: '/none/policy.yaml' })
  const gather = () => Promise.resolve()
  const source = memorySource('store://models/vad', new Map())
  await expect(openJudged({ source, options, gather, ...more }, [options])).rejects.toEqual(refusal('POLICY_NOT_FOUND'))
}

test('a refused load is recorded, on behalf of the policies that refuse it', async () => {
  await refused()
  expect(vi.mocked(recordRefusal).mock.calls).toMatchObject([
    [[{ verdict: { decision: 'refused', error: { code: 'POLICY_NOT_FOUND' } } }]],
  ])
  expect(recordOpened).not.toHaveBeenCalled()
})

test('a refused load that only looks is not recorded', async () => {
  await refused({ isUnrecorded: true })
  expect(recordRefusal).not.toHaveBeenCalled()
})
