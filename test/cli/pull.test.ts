import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest'
import { TestRegistry } from '../../packages/hub/src/testing/oci-registry.ts'
import { SmallHub } from '../../packages/hub/src/testing/small-hub.ts'
import {
  attest as attestArgs,
  directory,
  failed,
  modelseal,
  POLICY,
  SIGN,
  start,
  useWorkingDirectory,
  write,
} from './modelseal.ts'

useWorkingDirectory()

let hub: SmallHub
let env: NodeJS.ProcessEnv
let files: Map<string, Buffer>
beforeEach(async () => {
  hub = await SmallHub.start()
  env = { HF_ENDPOINT: hub.origin, HF_HUB_DISABLE_IMPLICIT_TOKEN: '1', HF_HOME: join(directory, 'home') }
  await write('hub.yaml', POLICY.replace('path: vad', `url: ['hf://org/*', 'oci://127.0.0.1:*/models/*']`))
  await modelseal(SIGN)
  const names = ['weights.bin', 'nested/config.json', 'model.sig']
  files = new Map()
  for (const name of names) files.set(name, await readFile(join(directory, 'vad', name)))
  hub.commit('org/vad', files)
})
afterEach(() => hub.close())

const PULL = ['pull', 'hf://org/vad', 'models/vad', '--policy', 'hub.yaml']

async function pulled(): Promise<string[]> {
  const entries = await readdir(join(directory, 'models'), { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => !entry.isDirectory())
    .map(({ parentPath, name }) => join(parentPath, name).slice(join(directory, 'models/').length))
    .sort()
}

test('a pulled model verifies, and the output says who signed it', async () => {
  const { code, stdout, stderr } = await modelseal(PULL, env)
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(stdout).toMatch(
    /^Pulled "hf:\/\/org\/vad"\n {2}directory {4}".*\/models\/vad"\n {2}revision {5}[0-9a-f]{40} \(main\)/,
  )
  expect(stdout).toMatch(/signed by {4}key sha256:[0-9a-f]{64}/)
  expect(await pulled()).toEqual(['vad/model.sig', 'vad/nested/config.json', 'vad/weights.bin'])
  const verify = ['verify', 'key', 'models/vad', '--signature', 'models/vad/model.sig', '--public-key', 'release.pub']
  expect(await modelseal(verify)).toMatchObject({ code: 0 })
})

test('each model has a line of JSON, with its verdict', async () => {
  const registry = await TestRegistry.start()
  registry.pushFiles(files)
  const args = ['pull', 'hf://org/vad', 'models/a', registry.url(), 'models/b', '--policy', 'hub.yaml', '--json']
  const { code, stdout } = await modelseal(args, env)
  expect(code).toBe(0)
  const lines = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown)
  expect(lines).toMatchObject([
    { ok: true, command: 'pull', directory: join(directory, 'models/a'), verdict: { decision: 'accepted' } },
    { ok: true, command: 'pull', directory: join(directory, 'models/b'), signatures: ['model.sig'] },
  ])
})

test('a model is pulled from a web server', async () => {
  const server = createServer(({ url = '' }, response) => {
    const content = files.get(url.replace(/^\/vad\//, ''))
    response.writeHead(content ? 200 : 404).end(content)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  const { port } = server.address() as AddressInfo
  await write('web.yaml', POLICY.replace('path: vad', `url: 'http://127.0.0.1:*/**'`))
  const url = `http://127.0.0.1:${port}/vad/`
  const { code, stdout } = await modelseal(['pull', url, 'models/vad', '--policy', 'web.yaml'], env)
  expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringContaining(`Pulled "${url}"`) as string })
  expect(await pulled()).toEqual(['vad/model.sig', 'vad/nested/config.json', 'vad/weights.bin'])
})

test('the number of attestations that were saved is printed', async () => {
  await write('review.json', '{"approved":true}')
  const type = 'https://example.org/review/v1'
  const attest = attestArgs(type, '--from', 'review.json', '--output', 'vad/claims.jsonl')
  expect(await modelseal(attest)).toMatchObject({ code: 0, stderr: '' })
  hub.commit('org/vad', new Map(files).set('claims.jsonl', await readFile(join(directory, 'vad/claims.jsonl'))))
  const { code, stdout } = await modelseal(PULL, env)
  expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringMatching(/attestations +1 saved\n/) as string })
  expect(await pulled()).toContain('vad/claims.jsonl')
  const { stdout: json } = await modelseal([...PULL, '--json'], env)
  expect(JSON.parse(json)).toMatchObject({ attestations: 1 })
})

test('a URL without its slashes is no path', async () => {
  const { code, stderr } = await modelseal(['pull', 'hf:org/vad', ...PULL.slice(2)], env)
  expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining('"hf://org/vad"') as string })
})

test('a refused model changes nothing: exit code 1, and the verdict', async () => {
  hub.commit('org/vad', new Map(files).set('weights.bin', Buffer.alloc(10)))
  failed(await modelseal(PULL, env), 'FILE_MISMATCH')
  expect(await readdir(directory)).not.toContain('models')
  const { stdout } = await modelseal([...PULL, '--json'], env)
  expect(JSON.parse(stdout)).toMatchObject({ ok: false, verdict: { decision: 'refused' } })
  failed(await modelseal(PULL.slice(0, 3), env), 'POLICY_NOT_FOUND')
})

test('a directory of something else is replaced only by force', async () => {
  await mkdir(join(directory, 'models/vad'), { recursive: true })
  await writeFile(join(directory, 'models/vad/mine'), '')
  failed(await modelseal(PULL, env), 'DESTINATION_REFUSED')
  expect(await pulled()).toEqual(['vad/mine'])
  expect(await modelseal([...PULL, '--force'], env)).toMatchObject({ code: 0 })
  expect(await pulled()).toHaveLength(3)
})

test('a directory with more than a signed model is replaced only by force', async () => {
  // By default, signing a model elsewhere leaves its bundle in the working directory.
  expect(await modelseal(SIGN.slice(0, -2))).toMatchObject({ code: 0 })
  const here = [...PULL.slice(0, 2), '.', ...PULL.slice(3)]
  expect(failed(await modelseal(here, env), 'DESTINATION_REFUSED')).toContain('which no signature bundle in it covers')
  expect(await readdir(directory)).toEqual(expect.arrayContaining(['model.sig', 'release.key', 'vad']))
})

test('an interrupted pull leaves nothing, and what a killed one left is put in order', async () => {
  let signal: NodeJS.Signals = 'SIGTERM'
  let pull: ReturnType<typeof start> | undefined
  hub.fault = ({ url = '' }) => {
    if (!url.includes('config.json')) return false
    process.kill(pull?.pid ?? 0, signal)
    return true
  }
  pull = start(PULL, env)
  expect(await pull.ended).toMatchObject({ code: 143 })
  expect(await readdir(directory)).not.toContain('models')
  signal = 'SIGKILL'
  pull = start(PULL, env)
  await pull.ended
  expect(await readdir(join(directory, 'models'))).toEqual(['.vad.modelseal-pull'])
  hub.fault = () => false
  expect(await modelseal(PULL, env)).toMatchObject({ code: 0 })
  expect(await readdir(join(directory, 'models'))).toEqual(['vad'])
})

test('a wrong command line has exit code 2', async () => {
  const wrong: [string[], string][] = [
    [['vad'], "issing required argument 'directory'"],
    [['vad', 'a', 'vad'], "'vad' has no directory"],
    [['vad', 'a', 'vad', 'b', '--signature', 'x'], "'--signature' is for one model"],
    [['vad', 'vad/nested', '--policy', 'policy.yaml'], 'overlaps'],
  ]
  const ended = await Promise.all(wrong.map(([args]) => modelseal(['pull', ...args])))
  for (const [index, { code, stderr }] of ended.entries()) {
    expect(code).toBe(2)
    expect(stderr).toMatch(/^Error INVALID_ARGUMENT: /)
    expect(stderr).toContain(wrong[index]?.[1])
  }
})
