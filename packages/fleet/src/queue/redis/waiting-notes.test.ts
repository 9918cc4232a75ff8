import { expect, onTestFinished, test, vi } from 'vitest'
import type { Order } from '../work-queue.ts'
import { WaitingNotes } from './waiting-notes.ts'

const JOB: Order = { id: 'a', text: '{}' }
const AUDIT: Order = { ...JOB, not: 'host-a' }
const NO_WORKER = 'Waiting for a worker: none is connected to the queue.'
const NO_OTHER =
  'Waiting for a second worker: an audited job is done by two, and only host-a is connected to the queue.'
const NO_REDIS = 'Waiting for Redis: it does not answer.'

/** A run that can be changed, and what it is told. */
function watched(orders: Order[], names: string[]) {
  const messages: string[] = []
  const run = { orders, names: () => Promise.resolve(names), finished: 0, looks: 0 }
  const workers = () => {
    run.looks += 1
    return run.names()
  }
  const onWaiting = (message: string) => void messages.push(message)
  const watched = { orders: () => run.orders, finished: () => run.finished, workers, onWaiting }
  const notes = new WaitingNotes(watched, 5)
  onTestFinished(() => notes.stop())
  const looks = (more: number) => {
    const until = run.looks + more
    return vi.waitFor(() => expect(run.looks).toBeGreaterThanOrEqual(until), { timeout: 20_000, interval: 2 })
  }
  return { run, messages, looks }
}

test.each([
  ['no worker is there', [JOB], [], NO_WORKER],
  ['only the worker that has done it is there for an audit', [JOB, AUDIT], ['host-a', 'host-a'], NO_OTHER],
])('says once that %s, and again if it happens again', async (_, orders, names, message) => {
  const { run, messages, looks } = watched(orders, names)
  await looks(6)
  expect(messages).toEqual([message])
  run.names = () => Promise.resolve(['host-a', 'host-b'])
  await looks(3)
  run.names = () => Promise.resolve(names)
  await looks(6)
  expect(messages).toEqual([message, message])
})

test('says that Redis does not answer', async () => {
  const { run, messages } = watched([JOB], ['host-a'])
  run.names = () => new Promise(() => undefined)
  await vi.waitFor(() => expect(messages).toEqual([NO_REDIS]), { timeout: 20_000 })
})

test.each([
  ['nothing is given out', [], []],
  ['some worker can do each job', [JOB, AUDIT], ['host-a', 'host-b']],
  ['one is there, and there is no audit', [JOB], ['host-a']],
])('is quiet if %s', async (_, orders, names) => {
  const { messages, looks } = watched(orders, names)
  await looks(6)
  expect(messages).toEqual([])
})

test('is quiet if it may not ask for the workers', async () => {
  const { run, messages, looks } = watched([JOB], [])
  run.names = () => Promise.reject(new Error('NOPERM'))
  await looks(6)
  expect(messages).toEqual([])
})

test('asks for the workers only while no job is finished', async () => {
  const { run } = watched([JOB], [])
  let finished = 0
  Object.defineProperty(run, 'finished', { get: () => ++finished })
  await vi.waitFor(() => expect(finished).toBeGreaterThan(5), { timeout: 20_000 })
  expect(run.looks).toBe(0)
})
