import { expect, test } from 'vitest'
import { Effort } from './effort.ts'

const refusal = { code: 'CHAIN_TOO_LARGE' }

test('the budget of one bundle is used up before that of all', async () => {
  const all = new Effort(undefined, 3)
  const greedy = all.forOne()
  for (let i = 0; i < 24 + 3; i++) await greedy.signatures()
  await expect(greedy.signatures()).rejects.toMatchObject(refusal)
  const modest = all.forOne()
  await modest.signatures(24)
  await expect(modest.signatures()).rejects.toMatchObject(refusal)
})

test('all bundles are aborted together', async () => {
  const effort = new Effort(AbortSignal.abort()).forOne()
  await expect(effort.turn()).rejects.toMatchObject({ code: 'ABORTED' })
  await expect(effort.signatures()).rejects.toMatchObject({ code: 'ABORTED' })
})
