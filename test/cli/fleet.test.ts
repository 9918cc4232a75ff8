import { chmod, cp, mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { directory, modelseal, type Ended, useWorkingDirectory, write } from './modelseal.ts'

useWorkingDirectory()

let env: NodeJS.ProcessEnv
beforeEach(async () => {
  env = { MODELSEAL_CACHE: join(directory, 'cache'), MODELSEAL_QUEUE: undefined }
  await mkdir(join(directory, 'models'))
  for (const name of ['asr', 'vad'])
    await cp(join(directory, 'vad'), join(directory, 'models', name), { recursive: true })
  await write('all.yaml', POLICY)
})

const POLICY = `version: 1
trustRoots: { release: { publicKey: ./release.pub } }
rules: [{ name: all, match: { path: '**' }, signers: [{ key: release }] }]
`
const SIGN = ['fleet', 'sign', 'key', 'models', '--private-key', 'release.key']
const VERIFY = ['fleet', 'verify', 'models', '--policy', 'all.yaml']

const lines = (stdout: string) =>
  stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)

function isWrong({ code, stdout, stderr }: Ended): void {
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  expect(stderr).toMatch(/^Error INVALID_ARGUMENT: /)
}

test('fleet sign signs a catalogue, leaves it alone the next time, and fleet verify accepts it', async () => {
  const first = await modelseal(SIGN, env)
  expect(first).toMatchObject({ code: 0, stderr: '' })
  expect(first.stdout).toMatch(
    /^Done\n {2}signed +2 models\n {2}hashed +200\.0 kB in 2 jobs, and 0 jobs done before\n$/,
  )
  const second = await modelseal([...SIGN, '--json'], env)
  expect(lines(second.stdout)).toMatchObject([
    { ok: true, command: 'fleet sign key', unchanged: {} },
    { ok: true, command: 'fleet sign key', unchanged: {} },
    { ok: true, command: 'fleet sign key', result: { models: { unchanged: 2 }, jobs: 0, reused: 2 } },
  ])
  expect(await modelseal(VERIFY, env)).toMatchObject({ code: 0, stderr: '' })
  const alone = await modelseal(['verify', 'models/asr', '--policy', 'all.yaml'], env)
  expect(alone).toMatchObject({ code: 0 })
})

test('fleet verify names the model that is refused', async () => {
  await modelseal(SIGN, env)
  await write('models/vad/weights.bin', 'others')
  const { code, stdout, stderr } = await modelseal(VERIFY, env)
  expect(code).toBe(1)
  expect(stdout).toMatch(/^Done, with failures\n/)
  expect(stderr).toMatch(/models\/vad: .*weights\.bin/)
  const [one, two, all] = lines((await modelseal([...VERIFY, '--json'], env)).stdout)
  expect([one, two].map((line) => line?.ok).sort()).toEqual([false, true])
  expect(all).toMatchObject({ ok: false, result: { models: { accepted: 1, refused: 1 } } })
})

test('fleet plan says what is to be hashed', async () => {
  const { code, stdout } = await modelseal(['fleet', 'plan', 'models'], env)
  expect(code).toBe(0)
  expect(stdout).toContain('200.0 kB of 4 files, in 2 jobs')
  expect(stdout).toContain('longest  100.0 kB, by one worker')
  const [one] = lines((await modelseal(['fleet', 'plan', 'models', '--json'], env)).stdout)
  expect(one).toMatchObject({ ok: true, command: 'fleet plan', files: 2, bytes: 100_002, jobs: 1 })
})

test('fleet worker-key prints a line for both files', async () => {
  const { code, stdout } = await modelseal(['fleet', 'worker-key', 'host-a'], env)
  expect(code).toBe(0)
  expect(stdout).toMatch(/^host-a [\w-]{43}\n$/)
  isWrong(await modelseal(['fleet', 'worker-key', 'a b'], env))
})

test('a queue that is not there, or not one, is refused', async () => {
  const { stdout } = await modelseal(['fleet', 'worker-key', 'host-a'], env)
  await write('secret', stdout)
  await chmod(join(directory, 'secret'), 0o600)
  const queue = ['--queue', 'https://queue.example']
  isWrong(await modelseal([...SIGN, ...queue, '--workers', 'secret'], env))
  isWrong(await modelseal(['fleet', 'status', ...queue], env))
  isWrong(await modelseal(['fleet', 'worker', ...queue, '--secret-file', 'secret', '--root', '.'], env))
  isWrong(await modelseal(['fleet', 'worker', ...queue, '--secret-file', 'secret'], env))
  expect(await readFile(join(directory, 'secret'), 'utf8')).toBe(stdout)
})
