import { PassThrough } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import { activityOf } from './perform.ts'
import { startProgress } from './progress.ts'

function screen(isTTY: boolean) {
  const stream = Object.assign(new PassThrough({ encoding: 'utf8' }), { isTTY, columns: 80 })
  let text = ''
  stream.on('data', (chunk: string) => (text += chunk))
  return { stream: stream as unknown as NodeJS.WriteStream, text: () => text }
}

test('shows nothing if the output is not a terminal', () => {
  expect(startProgress(screen(false).stream, 'Hashing', 0)).toBeUndefined()
})

test('shows processed and total bytes on a terminal, and removes the line at the end', async () => {
  const { stream, text } = screen(true)
  const progress = startProgress(stream, 'Hashing', 0)!
  progress.onProgress(1_000_000, 4_000_000)
  await vi.waitFor(() => expect(text()).toMatch(/Hashing .* 1\.0 MB of 4\.0 MB/), { timeout: 20_000 })
  progress.stop()
  await vi.waitFor(() => expect(text()).toMatch(/\u001b\[2K$/), { timeout: 20_000 })
})

test('updates a total that is initially an estimate', async () => {
  const { stream, text } = screen(true)
  const progress = startProgress(stream, 'Hashing', 0)!
  progress.onProgress(1_000_000, 4_000_000)
  await vi.waitFor(() => expect(text()).toContain('1.0 MB of 4.0 MB'), { timeout: 20_000 })
  progress.onProgress(2_000_000, 5_000_000)
  await vi.waitFor(() => expect(text()).toContain('2.0 MB of 5.0 MB'), { timeout: 20_000 })
  progress.stop()
})

test('shows nothing for work that finishes before the delay ends', async () => {
  const { stream, text } = screen(true)
  const progress = startProgress(stream, 'Hashing', 60_000)!
  progress.onProgress(1, 2)
  progress.onProgress(2, 2)
  progress.stop()
  await setImmediate()
  expect(text()).toBe('')
})

test.each([
  ['pull', 'hf://org/vad', 'Downloading'],
  ['pull', 'HTTPS://models.example/vad/', 'Downloading'],
  ['pull', 'models/vad', 'Copying'],
  ['verify', 'oci://registry.example/vad:1', 'Downloading'],
  ['verify key', 'hf://org/vad', 'Downloading'],
  ['sign key', 'models/vad', 'Hashing'],
  ['push', 'models/vad', 'Pushing'],
  ['push key', 'models/vad', 'Pushing'],
])('%s %s says "%s"', (command, model, activity) => {
  expect(activityOf(command, model)).toBe(activity)
})
