import { expect, onTestFinished, test, vi } from 'vitest'
import type { Session } from '../../perform.ts'
import { fleetOptions } from './fleet-options.ts'

const SESSION: Session = { signal: new AbortController().signal, onProgress: undefined, talkative: true }

test('each reason for which results do not count is told once, and not more than twenty', async () => {
  const { options, messages } = await fleetOptions({}, SESSION)
  const told: string[] = []
  messages.write = (line) => void told.push(line)
  for (const job of ['a', 'b']) options.onRejected?.({ job, reason: 'it is not JSON' })
  expect(told).toEqual([
    'Warning: a result of the job a does not count: it is not JSON. Others like it are only counted.',
  ])
  for (let index = 0; index < 100; index++) options.onRejected?.({ job: 'c', reason: `no worker is known as ${index}` })
  expect(told).toHaveLength(20)
})

test('what a run waits for is written where its messages go', async () => {
  const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  onTestFinished(() => void vi.restoreAllMocks())
  const { options } = await fleetOptions({}, SESSION)
  options.onWaiting?.('Waiting for Redis: it does not answer.')
  expect(write.mock.calls).toEqual([['Waiting for Redis: it does not answer.\n']])
})
