import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest'

const PROGRAM = join(import.meta.dirname, '../../examples/drill/main.mjs')
const ANSWERING = 'All of them answer requests.'
const SERVICES = ['ONNX Runtime', 'TensorFlow.js', 'unchanged, with @modelseal/register']

/** Where the drill keeps its files. */
let temporary: string

beforeEach(() => {
  temporary = mkdtempSync(join(tmpdir(), 'modelseal-drill-'))
  onTestFinished(() => rmSync(temporary, { recursive: true, force: true }))
})

function drill(...args: string[]) {
  const child = spawn(process.execPath, [PROGRAM, ...args], { env: { ...process.env, TMPDIR: temporary } })
  const printed = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => void (printed.stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => void (printed.stderr += text))
  onTestFinished(() => void child.kill())
  const ended = once(child, 'close').then(([status]) => ({ status: status as number, ...printed }))
  const answering = () => vi.waitFor(() => expect(printed.stdout).toContain(ANSWERING), 60_000)
  return { child, ended, answering }
}

/** The processes that a process has started. */
function startedBy(pid: number | undefined): number[] {
  return readFileSync(`/proc/${pid ?? 0}/task/${pid ?? 0}/children`, 'utf8')
    .trim()
    .split(' ')
    .map(Number)
}

/** A process that has ended is a zombie until its new parent asks for its status. */
function runs(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

test('three services refuse a model that a feed denies, and one loads it again when it is taken back', async () => {
  const { status, stdout, stderr } = await drill().ended
  console.log(stdout)
  expect(stderr).toBe('')
  expect(status).toBe(0)
  for (const service of SERVICES)
    expect(stdout).toMatch(new RegExp(`^${service} +\\d+\\.\\d\\d s {2}MODEL_REVOKED$`, 'm'))
  expect(stdout).toMatch(/ONNX Runtime serves again \(POST \/reload\)\.$/m)
  expect(stdout).toMatch(/\nFrom signing to the last refusal: \d+\.\d\d s\. The goal of 3 s was (met|missed)\.\n$/)
  expect(readdirSync(temporary)).toEqual([])
})

test.each([
  ['key', 'The key'],
  ['file', 'The file'],
])('three services refuse models whose %s a feed denies', async (revoke, because) => {
  const { status, stdout } = await drill('--revoke', revoke, '--refresh', '1', '--json').ended
  expect(status).toBe(0)
  const seconds = expect.any(Number) as number
  const message = expect.stringMatching(`was revoked after it was loaded: ${because} .+ "a drill"`) as string
  expect(JSON.parse(stdout)).toMatchObject({
    revoke,
    refresh: 1,
    services: SERVICES.map((service) => ({ service, seconds, code: 'MODEL_REVOKED', message })),
    restored: { service: 'ONNX Runtime', seconds },
    goal: 2,
  })
})

const onLinux = process.platform === 'linux'

test.runIf(onLinux)('a drill that is interrupted leaves neither processes nor files', async () => {
  const { child, ended, answering } = drill('--refresh', '60')
  await answering()
  const services = startedBy(child.pid)
  expect(services.length).toBeGreaterThanOrEqual(3)
  child.kill('SIGINT')
  expect((await ended).status).toBe(130)
  await vi.waitFor(() => expect(services.filter(runs)).toEqual([]), 10_000)
  expect(readdirSync(temporary)).toEqual([])
})

test.runIf(onLinux)('a drill fails if a service ends, and leaves neither processes nor files', async () => {
  const { child, ended, answering } = drill('--refresh', '2')
  await answering()
  const services = startedBy(child.pid)
  process.kill(services[1]!)
  const { status, stderr, stdout } = await ended
  expect(status).toBe(1)
  expect(stdout + stderr).toContain('has ended (0)')
  await vi.waitFor(() => expect(services.filter(runs)).toEqual([]), 10_000)
  expect(readdirSync(temporary)).toEqual([])
})

test('a drill refuses unknown options', async () => {
  expect(await drill('--revoke', 'everything').ended).toEqual({
    status: 1,
    stdout: '',
    stderr: 'The drill failed: expected --revoke model, key or file.\n',
  })
})
