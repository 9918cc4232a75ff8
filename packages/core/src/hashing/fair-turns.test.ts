import { setImmediate } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { fairTurn } from './fair-turns.ts'

/** Takes turns for an operation and logs each. */
async function takeTurns(name: string, operation: object, count: number, log: string[]): Promise<void> {
  for (let i = 0; i < count; i++) {
    await fairTurn(operation)
    log.push(name)
  }
}

test('operations take turns, regardless of their number of lanes and their order of arrival', async () => {
  const log: string[] = []
  const [greedy, modest, late] = [{}, {}, {}]
  const first = [1, 2, 3].map(() => takeTurns('greedy', greedy, 4, log))
  const second = takeTurns('modest', modest, 4, log)
  while (log.length < 4) await setImmediate()
  expect(log).toEqual(['greedy', 'modest', 'greedy', 'modest'])
  await Promise.all([...first, second, takeTurns('late', late, 2, log)])
  // The late operation neither catches up nor waits.
  expect(log.slice(4, 10).filter((name) => name === 'late')).toHaveLength(2)
  expect(log.slice(4, 10).filter((name) => name === 'modest')).toHaveLength(2)
  expect(log).toHaveLength(18)
})

test('one operation continues in each turn of the event loop', async () => {
  const log: string[] = []
  const all = Array.from({ length: 5 }, (_, i) => takeTurns(`${i}`, {}, 3, log))
  for (let turns = 1; turns <= 15; turns++) {
    await setImmediate()
    expect(log.length).toBeLessThanOrEqual(turns)
  }
  await Promise.all(all)
  expect(log).toHaveLength(15)
})
