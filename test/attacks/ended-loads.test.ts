import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openVerifiedModel } from '@modelseal/core'
import { keySigner, signModel } from '@modelseal/core/signing'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { file, serve } from '../../packages/core/src/testing/http-server.ts'
import { publisherIn, scratchOfSuite, writeTree, type Publisher } from '../support/models.ts'
import { ownTemporaryDirectory } from './temporary.ts'

// Processes that end, in every possible way, while a load copies a model.

const directory = scratchOfSuite()
const model = join(directory, 'model')
let publisher: Publisher

beforeAll(async () => {
  publisher = publisherIn(directory)
  const served = "{ name: served, match: { url: 'http://127.0.0.1:*/**' }, signers: [{ key: release }] }"
  writeFileSync(publisher.policy, readFileSync(publisher.policy, 'utf8').replace(/\]\n$/, `, ${served}]\n`))
  writeTree(directory, { 'model/config.json': '{}', 'model/weights.bin': Buffer.alloc(1024 * 1024, 'w') })
  // Zeros, which take long to hash but use no disk space.
  truncateSync(join(model, 'weights.bin'), 256 * 1024 * 1024)
  await signModel(model, {
    signer: await keySigner({ privateKey: publisher.privateKey }),
    signature: join(model, 'model.sig'),
  })
})

/** @returns a process that has begun to copy the model */
async function loading(source: string, temporary: string, ...args: string[]): Promise<ChildProcess> {
  const script = join(import.meta.dirname, 'held-load.mjs')
  const child = spawn(process.execPath, [script, source, publisher.policy, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, TMPDIR: temporary },
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const [begun] = (await Promise.race([once(child.stdout, 'data'), once(child, 'exit')])) as [unknown]
  expect(begun).toBeInstanceOf(Buffer)
  return child
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  child.kill(signal)
  expect(await once(child, 'exit')).toEqual([null, signal])
}

describe.runIf(process.platform === 'linux')('a load that copies a model', () => {
  test.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)('leaves nothing when %s ends the process', async (signal) => {
    const temporary = ownTemporaryDirectory()
    const child = await loading(model, temporary)
    await expect.poll(() => readdirSync(temporary), { timeout: 20_000 }).not.toEqual([])
    await end(child, signal)
    expect(readdirSync(temporary)).toEqual([])
  })

  test('leaves nothing when it is ended while a file arrives over HTTP', async () => {
    const temporary = ownTemporaryDirectory()
    const { origin } = await serve({
      '/model.sig': file(readFileSync(join(model, 'model.sig'))),
      '/config.json': file(readFileSync(join(model, 'config.json'))),
      '/weights.bin': (_, response) => {
        response.writeHead(200, { 'content-length': 256 * 1024 * 1024 })
        // The rest is never sent.
        response.write(Buffer.alloc(1024 * 1024, 'w'))
      },
    })
    const child = await loading(`${origin}/`, temporary)
    await expect.poll(() => readdirSync(temporary), { timeout: 20_000 }).not.toEqual([])
    await end(child, 'SIGTERM')
    expect(readdirSync(temporary)).toEqual([])
  })

  test('leaves files that the next load removes if the process is killed', async () => {
    const temporary = ownTemporaryDirectory()
    const child = await loading(model, temporary)
    await expect.poll(() => readdirSync(temporary), { timeout: 20_000 }).not.toEqual([])
    await end(child, 'SIGKILL')
    await expectRemovedByNextLoad(temporary)
  })

  test('in a worker thread leaves files that the next load removes if a signal ends the process', async () => {
    const temporary = ownTemporaryDirectory()
    const child = await loading(model, temporary, 'thread')
    await expect.poll(() => readdirSync(temporary), { timeout: 20_000 }).not.toEqual([])
    await end(child, 'SIGTERM')
    await expectRemovedByNextLoad(temporary)
  })
})

async function expectRemovedByNextLoad(temporary: string): Promise<void> {
  expect(readdirSync(temporary)).not.toEqual([])
  writeFileSync(join(temporary, 'other'), '')
  mkdirSync(join(temporary, 'modelseal-abcdef'))
  const { policy } = publisher
  const next = await openVerifiedModel(model, { policy, isolation: 'in-place' }, (reader) => reader.place(reader.files))
  await next[Symbol.asyncDispose]()
  expect(readdirSync(temporary).sort()).toEqual(['modelseal-abcdef', 'other'])
}
