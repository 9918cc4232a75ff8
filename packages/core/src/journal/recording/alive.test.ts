import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { recordsOf } from '../../testing/journal-reading.ts'
import { scratch } from '../../testing/scratch.ts'
import { JournalWriter } from '../writing/writer.ts'
import { showAlive, stopShowing } from './alive.ts'

const timer = vi.hoisted(() => ({ tick: undefined as (() => void) | undefined, milliseconds: 0, isRef: true }))
vi.mock('../../real-time.ts', async (original) => ({
  ...(await original<object>()),
  setInterval: (tick: () => void, milliseconds: number) => {
    Object.assign(timer, { tick, milliseconds, isRef: true })
    return { unref: () => (timer.isRef = false) }
  },
  clearInterval: () => (timer.tick = undefined),
}))

test('a process with a model in use records every minute that it runs, unless records wait already', async () => {
  const directory = join(scratch(), 'journal')
  const writer = new JournalWriter({
    directory,
    place: 'test',
    required: false,
    durability: 'interval',
    service: 'test',
    paths: 'full',
  })
  const alive = () => recordsOf(directory).filter(({ type }) => type === 'alive')
  await writer.start()
  showAlive(() => [writer])
  expect(timer).toMatchObject({ milliseconds: 60_000, isRef: false })
  timer.tick?.()
  timer.tick?.()
  await vi.waitFor(() => expect(alive()).toHaveLength(1), { timeout: 20_000 })
  timer.tick?.()
  await vi.waitFor(() => expect(alive()).toHaveLength(2), { timeout: 20_000 })
  stopShowing()
  expect(timer.tick).toBeUndefined()
  writer.endNow([])
})
