import { PassThrough } from 'node:stream'
import { setTimeout } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import { RunDisplay } from './run-display.ts'

function screen(isTTY: boolean) {
  const stream = Object.assign(new PassThrough({ encoding: 'utf8' }), { isTTY, columns: 80, rows: 24 })
  let text = ''
  stream.on('data', (chunk: string) => (text += chunk))
  return { stream: stream as unknown as NodeJS.WriteStream, text: () => text }
}

const run = { models: 2, failed: 0, others: 0, bytes: 3_000_000, bytesPerSecond: 1_000_000 }
const progress = () => ({ ...run, current: [{ model: 'vad', done: 1_000_000, total: 4_000_000 }] })

test('a terminal shows each model and the whole, messages above them, and nothing at the end', async () => {
  const { stream, text } = screen(true)
  const display = new RunDisplay(stream, progress, { patience: 0 })
  await vi.waitFor(() => expect(text()).toContain('2 models done; 3.0 MB hashed, 1.0 MB/s'), { timeout: 20_000 })
  expect(text()).toContain('vad       25 % 1.0 MB of 4.0 MB')
  display.log('asr: not\u001b signed')
  display.stop()
  expect(text()).toContain('asr: not\\u{1b} signed\n')
  // The last lines are removed, and the cursor is shown again.
  expect(text()).toMatch(/\u001b\[\?25h.*\u001b\[0J$/s)
})

test('elsewhere there is a line from time to time', async () => {
  const { stream, text } = screen(false)
  const display = new RunDisplay(stream, progress, { lineEvery: 5 })
  display.log('asr: not signed')
  const line = '2 models done; 3.0 MB hashed, 1.0 MB/s\n'
  await vi.waitFor(() => expect(text().startsWith(`asr: not signed\n${line}${line}`)).toBe(true), { timeout: 20_000 })
  display.stop()
  const before = text()
  await setTimeout(50)
  expect(text()).toBe(before)
})
