import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { ask } from './policy-init.ts'

/** The answers that the prompt accepts, up to the end of the input. */
function answered(...lines: string[]) {
  const [input, output] = [new PassThrough(), new PassThrough()]
  const controller = new AbortController()
  const answer = ask({ input, output, signal: controller.signal })
  let next = 0
  output.on('data', () => {
    const line = lines[next++]
    if (line === undefined) input.end()
    else input.write(`${line}\n`)
  })
  return { answer, controller, output }
}

test.each([
  [['k', ' release.pub '], { kind: 'key', publicKey: 'release.pub' }],
  [['c', 'root.pem', 'email:a@b.example'], { kind: 'certificate', root: 'root.pem', san: 'email:a@b.example' }],
  [['g', 'acme/models', 'sign.yml'], { workflow: 'sign.yml', repository: 'acme/models' }],
  [['g', 'acme/models', ''], { workflow: 'release.yml', ref: 'refs/heads/main' }],
])('accepts %j', async (lines, signer) => {
  expect(await answered(...lines).answer).toMatchObject(signer)
})

test.each([[[]], [['x']], [['k']], [['k', '']], [['c', 'root.pem']], [['g']], [['g', 'acme/models']]])(
  'stops asking if the answers end with %j',
  async (lines) => {
    expect(await answered(...lines).answer).toBeUndefined()
  },
)

test('ends when the command is interrupted', async () => {
  const { answer, controller } = answered('k')
  controller.abort()
  expect(await answer).toBeUndefined()
})
