import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { addToFeed, createFeedSource, signFeed } from '@modelseal/core/advisory'
import { keySigner } from '@modelseal/core/signing'
import { beforeEach, expect, onTestFinished, test } from 'vitest'
import { graph, model, node, value } from './onnx-models.ts'
import { blazeFace, Workspace } from './signed-models.ts'
import { tinyModel } from './transformers-models.ts'

// Programs that know nothing of modelseal, under @modelseal/register, whose models are revoked while they use them.

/** y = x + x */
const DOUBLING = graph({ nodes: [node('Add', ['x', 'x'], ['y'])], inputs: [value('x', 2)], outputs: [value('y', 2)] })
const ADDING = { 'model.onnx': model(DOUBLING) }

let site: Workspace
/** The feed, as the server sends it. */
let feed: string

beforeEach(async () => {
  site = new Workspace()
  onTestFinished(() => site[Symbol.dispose]())
  site.key('security')
  mkdirSync(join(site.path, 'cache'), { mode: 0o700 })
  feed = join(site.path, 'feed.jsonl')
  await createFeedSource(join(site.path, 'feed.yaml'), { feed: 'acme' })
  await publish()
  const server = createServer((_, response) => response.end(readFileSync(feed)))
  await new Promise<void>((go) => server.listen(0, '127.0.0.1', go))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  const rules = readFileSync(site.policy, 'utf8').replace('rules:', '  security: { publicKey: ./security.pub }\nrules:')
  writeFileSync(
    site.policy,
    `${rules}\nadvisories:\n  - { url: "${url}", signers: [{ key: security }], refresh: 1s }\n`,
  )
})

async function publish(): Promise<void> {
  const signer = await keySigner({ privateKey: join(site.path, 'security.key') })
  await signFeed(join(site.path, 'feed.yaml'), { signer, output: feed })
}

const byFeed = async () => {
  await addToFeed(join(site.path, 'feed.yaml'), { keys: [{ file: join(site.path, 'release.pub') }] })
  await publish()
}

const byPolicy = (entry = 'keys: [{ file: ./release.pub }]') => {
  appendFileSync(site.policy, `revoked:\n  ${entry}\n`)
}

interface Running {
  /** Resolves once the program has used the model. */
  runs: Promise<void>
  /** Resolves once the program has said why its model is revoked. */
  warned: Promise<void>
  /** Has the program use the model once more, and end. */
  end: () => void
  ended: Promise<{ status: number | null; lines: string[]; stderr: string }>
}

function start(how: string, signed: string, env: Record<string, string> = {}): Running {
  const inherited = { ...process.env }
  delete inherited['NODE_OPTIONS']
  delete inherited['MODELSEAL_ON_REVOKED']
  const program = join(import.meta.dirname, 'register/running.mjs')
  const child = spawn(process.execPath, ['--import', '@modelseal/register', program, how, signed], {
    cwd: import.meta.dirname,
    env: { ...inherited, MODELSEAL_POLICY: site.policy, MODELSEAL_CACHE: join(site.path, 'cache'), ...env },
  })
  onTestFinished(() => void child.kill())
  const said = { stdout: '', stderr: '' }
  const ended = once(child, 'close').then(([status]) => ({
    status: status as number | null,
    lines: said.stdout.split('\n').slice(0, -1),
    stderr: said.stderr,
  }))
  const runs = new Promise<void>((go, fail) => {
    child.stdout.on('data', () => {
      go()
    })
    void ended.then(({ stderr }) => {
      fail(new Error(`The program has ended. ${stderr}`))
    })
  })
  runs.catch(() => {})
  for (const name of ['stdout', 'stderr'] as const)
    child[name].setEncoding('utf8').on('data', (text: string) => (said[name] += text))
  const warned = new Promise<void>((go) => {
    child.stderr.on('data', () => {
      if (WHY.test(said.stderr)) go()
    })
  })
  return { runs, warned, end: () => child.stdin.end(), ended }
}

/** What the program printed before it ended, after its model was revoked. */
async function outcome({ runs, ended }: Running, revoke: () => unknown) {
  await runs
  await revoke()
  return ended
}

const RELEASED = { status: 0, lines: ['running', 'MODEL_REVOKED'] }
const WHY = /^modelseal: revoked: The model "[^"]+" was revoked after it was loaded: /

test.each<[string, string, () => Promise<string>, () => unknown]>([
  ['an ES module, by a feed', 'onnx', () => adding(), byFeed],
  ['CommonJS, by the policy file', 'cjs', () => adding(), () => byPolicy()],
  ['TensorFlow.js, by a feed', 'tf', async () => join(await site.sign('blaze', blazeFace()), 'model.json'), byFeed],
  ['Transformers.js, by a feed', 'transformers', () => site.sign('tiny', tinyModel()), byFeed],
  ['bytes that the program read from a model it opened', 'opened', () => site.sign('adding', ADDING), () => byPolicy()],
])('MODELSEAL_ON_REVOKED=release: %s', { timeout: 120_000 }, async (_, how, signed, revoke) => {
  const own = join(site.path, 'program.yaml')
  writeFileSync(own, readFileSync(site.policy, 'utf8').replace(/\nadvisories:[^]*/, '\n'))
  const env = { MODELSEAL_ON_REVOKED: 'release', PROGRAM_POLICY: own }
  const { stderr, ...rest } = await outcome(start(how, await signed(), env), revoke)
  expect({ ...rest, stderr }).toMatchObject(RELEASED)
  expect(stderr).toMatch(WHY)
  expect(stderr).toContain('is revoked by')
})

test('MODELSEAL_ON_REVOKED=release: bytes that a rule allows', { timeout: 60_000 }, async () => {
  const bytes = Buffer.from(ADDING['model.onnx'])
  const digest = createHash('sha256').update(bytes).digest('hex')
  const rule = `  - { name: bytes, match: { memory: "sha256:${digest}" }, mode: skip, reason: a test }\n`
  writeFileSync(
    site.policy,
    readFileSync(site.policy, 'utf8').replace(/^rules:\n/m, (rules) => rules + rule),
  )
  writeFileSync(join(site.path, 'bytes.onnx'), bytes)
  const denied = async () => {
    await addToFeed(join(site.path, 'feed.yaml'), { fileDigests: [`sha256:${digest}`] })
    await publish()
  }
  const running = start('bytes', join(site.path, 'bytes.onnx'), { MODELSEAL_ON_REVOKED: 'release' })
  const { stderr, ...rest } = await outcome(running, denied)
  expect(rest).toMatchObject(RELEASED)
  expect(stderr).toContain(`The model "memory:sha256:${digest}" was revoked after it was loaded: `)
})

async function adding(): Promise<string> {
  return join(await site.sign('adding', ADDING), 'model.onnx')
}

test('MODELSEAL_ON_REVOKED=exit ends the process with the reason', { timeout: 60_000 }, async () => {
  const running = start('onnx', await adding(), { MODELSEAL_ON_REVOKED: 'exit' })
  const { status, lines, stderr } = await outcome(running, byFeed)
  expect({ status, lines }).toEqual({ status: 1, lines: ['running'] })
  expect(stderr).toMatch(/^The model .* was revoked after it was loaded: .*the advisory feed "acme"/)
  // A supervisor starts it again.
  const again = await start('onnx', await adding(), { MODELSEAL_ON_REVOKED: 'exit' }).ended
  expect(again.lines).toEqual([])
  expect(again.stderr).toContain('KEY_REVOKED')
})

test.each([
  ['release', ['running', 'MODEL_REVOKED', 'thread: 0']],
  ['exit', ['running', 'thread: 1']],
])('MODELSEAL_ON_REVOKED=%s holds in a worker thread', { timeout: 60_000 }, async (reaction, lines) => {
  const { stderr, ...rest } = await outcome(start('thread', await adding(), { MODELSEAL_ON_REVOKED: reaction }), byFeed)
  expect(rest).toEqual({ status: 0, lines })
  expect(stderr).toContain('was revoked after it was loaded')
})

test('without the variable, the model stays in use, and one line says so', { timeout: 60_000 }, async () => {
  const running = start('onnx', await adding())
  // It looks again each second.
  void running.warned.then(() => sleep(2_500)).then(running.end)
  const { status, lines, stderr } = await outcome(running, byFeed)
  expect({ status, lines }).toEqual({ status: 0, lines: ['running', 'still running'] })
  expect(stderr).toMatch(WHY)
  expect(stderr).toMatch(/set MODELSEAL_ON_REVOKED to release or exit\.\n$/)
})

test('in an audit, only revocations count', { timeout: 60_000 }, async () => {
  const env = { MODELSEAL_ON_REVOKED: 'release', MODELSEAL_MODE: 'audit' }
  const signed = await adding()
  const untrusted = () =>
    writeFileSync(site.policy, readFileSync(site.policy, 'utf8').replace('key: release', 'key: security'))
  const running = start('onnx', signed, env)
  const lookedAgain = async () => {
    untrusted()
    await sleep(5_000)
    running.end()
  }
  expect(await outcome(running, lookedAgain)).toMatchObject({ lines: ['running', 'still running'] })
  expect(await outcome(start('onnx', signed, env), () => byPolicy())).toMatchObject(RELEASED)
})

test('an invalid value is refused at the start', async () => {
  const { status, lines, stderr } = await start('onnx', '-', { MODELSEAL_ON_REVOKED: 'stop' }).ended
  expect({ status, lines }).toEqual({ status: 1, lines: [] })
  expect(stderr).toMatch(/^modelseal: stopping the process.*MODELSEAL_ON_REVOKED.*release or exit.*"stop"/)
})
