import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { askUnseen } from './password.ts'

function dialogue() {
  const input = new PassThrough()
  const output = new PassThrough({ encoding: 'utf8' })
  const controller = new AbortController()
  const answer = askUnseen('Password: ', { input, output, signal: controller.signal })
  return { input, answer, controller, shown: () => String(output.read()) }
}

test('returns what was typed, without showing it', async () => {
  const { input, answer, shown } = dialogue()
  input.write('hunt\u007f')
  input.write('ter 2 \n')
  expect(await answer).toBe('hunter 2 ')
  expect(shown()).toBe('Password: \n')
})

test('returns undefined when the input ends, also by Ctrl-D', async () => {
  const ended = dialogue()
  ended.input.end()
  expect(await ended.answer).toBeUndefined()
  const { input, answer } = dialogue()
  input.write('\u0004')
  expect(await answer).toBeUndefined()
})

test('returns undefined when the command is interrupted', async () => {
  const { answer, controller } = dialogue()
  controller.abort()
  expect(await answer).toBeUndefined()
})
