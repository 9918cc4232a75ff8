import { spawn, type ChildProcess } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { appendFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { loadRecord, TestJournal, type TestSegment } from '../../packages/core/src/testing/journals.ts'
import { directory, failed, jsonOf, modelseal, PROGRAM, useWorkingDirectory } from './modelseal.ts'

useWorkingDirectory()

let journal: TestJournal
let segment: TestSegment
const running = new Set<ChildProcess>()

beforeEach(() => {
  mkdirSync(join(directory, 'journal'))
  journal = new TestJournal(join(directory, 'journal'))
  segment = journal.segment()
  addLoads(1)
  writeFileSync(join(directory, 'token'), 'secret-of-host-a', { mode: 0o600 })
  const digest = createHash('sha256').update('secret-of-host-a').digest('hex')
  writeFileSync(join(directory, 'tokens'), `${digest} host-a\n`, { mode: 0o600 })
})

afterEach(() => {
  for (const child of running) child.kill('SIGKILL')
  running.clear()
})

function addLoads(count: number): void {
  for (let index = 0; index < count; index++) segment.add(loadRecord({ bytes: index }))
  segment.commit()
}

interface Serving {
  child: ChildProcess
  url: string
  lines: string[]
}

const SERVE = 'journal serve --directory stored --plain-http --listen 127.0.0.1:0 --tokens tokens'.split(' ')

/** @param limit of the size of its files, in blocks of 512 bytes */
async function serve(limit?: number): Promise<Serving> {
  const node = [process.execPath, PROGRAM, ...SERVE, '--json']
  const [command = '', ...rest] =
    limit === undefined ? node : ['sh', '-c', `ulimit -f ${limit}; exec "$@"`, 'sh', ...node]
  const child = spawn(command, rest, { cwd: directory, stdio: ['ignore', 'pipe', 'inherit'] })
  running.add(child)
  const lines: string[] = []
  child.stdout.setEncoding('utf8').on('data', (text: string) => lines.push(...text.split('\n').filter(Boolean)))
  while (lines.length === 0) await wait(20)
  const { event, message } = JSON.parse(lines[0]!) as { event: string; message: string }
  expect(event).toBe('listening')
  return { child, url: message, lines }
}

async function end({ child }: Serving, signal: NodeJS.Signals): Promise<unknown> {
  const ended = once(child, 'exit')
  child.kill(signal)
  return (await ended)[0]
}

const push = (url: string) => ['journal', 'push', 'journal', '--to', url, '--token-file', 'token']

test('journal push sends to journal serve, which ends cleanly', async () => {
  const serving = await serve()
  const { code, stdout, stderr } = await modelseal(push(serving.url))
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(stdout).toMatch(/^Sent \d+(?:\.\d+)? (?:bytes|kB) of records and 1 commit. The collector has 1 commit.\n$/)
  expect(await jsonOf([...push(serving.url), '--json'], 0)).toMatchObject({ result: { bytes: 0, commits: 0, size: 1 } })
  writeFileSync(join(directory, 'token'), 'another', { mode: 0o600 })
  expect(failed(await modelseal(push(serving.url)), 'JOURNAL_FOREIGN')).not.toContain('another')
  expect(await end(serving, 'SIGTERM')).toBe(143)
  expect(serving.lines.map((line) => JSON.parse(line) as object)).toMatchObject([
    { event: 'listening' },
    { event: 'created', host: 'host-a' },
    { event: 'refused', message: '401: the sender is unknown: its token is unknown' },
    { ok: true, command: 'journal serve' },
  ])
  const stored = join('stored', journal.file.id)
  expect(await jsonOf(['journal', 'verify', stored, '--json'], 0)).toMatchObject({
    result: { holds: true, records: 2 },
  })
  failed(await modelseal(push(serving.url)), 'HTTP_UNREACHABLE')
})

test('a collector that is killed at any moment confirms nothing that it does not have', async () => {
  const stored = join(directory, 'stored', journal.file.id)
  const storedBytes = () => readFileSync(join(stored, 'segments', `${segment.id}.jsonl`), { flag: 'a+' }).length
  const serving = await serve()
  expect((await modelseal(push(serving.url))).code).toBe(0)
  await end(serving, 'SIGKILL')
  const codes: unknown[] = []
  for (let round = 0; round < 5; round++) {
    const again = await serve()
    for (let index = 0; index < 40; index++) addLoads(100)
    const before = storedBytes()
    let code: unknown
    const pushed = modelseal(push(again.url)).then((ended) => (code = ended.code))
    while (code === undefined && storedBytes() === before) await wait(1)
    await wait(round * 15)
    await end(again, 'SIGKILL')
    await pushed
    codes.push(code)
    expect(storedBytes()).toBeGreaterThanOrEqual(readCollected() ?? 0)
  }
  // Some were killed in the middle.
  expect(codes).toContain(1)
  const last = await serve()
  expect((await modelseal(push(last.url))).code).toBe(0)
  expect(await jsonOf(['journal', 'verify', join('stored', journal.file.id), '--json'], 0)).toMatchObject({
    result: { holds: true, records: 2 + 5 * 4_000, uncovered: 0, torn: 0 },
  })
})

function readCollected(): number | undefined {
  if (!readdirSync(join(directory, 'journal')).includes('collected.json')) return undefined
  const { segments } = JSON.parse(readFileSync(join(directory, 'journal/collected.json'), 'utf8')) as {
    segments: Record<string, number>
  }
  return segments[segment.id]
}

test('a full disk stores nothing by halves, and loses nothing', async () => {
  addLoads(600)
  const serving = await serve(128)
  const stderr = failed(await modelseal(push(serving.url)), 'HTTP_RESPONSE')
  expect(stderr).toContain('507')
  expect(serving.lines.at(-1)).toContain('"code":"EFBIG"')
  expect(readFileSync(join(directory, 'stored', journal.file.id, 'segments', `${segment.id}.jsonl`))).toHaveLength(0)
  await end(serving, 'SIGTERM')
  const again = await serve()
  expect((await modelseal(push(again.url))).code).toBe(0)
  expect(await jsonOf(['journal', 'verify', join('stored', journal.file.id), '--json'], 0)).toMatchObject({
    result: { holds: true },
  })
})

test('the command lines are checked', async () => {
  const refused = [
    ['journal', 'serve', '--directory', 'stored', '--tokens', 'tokens'],
    ['journal', 'serve', '--directory', 'stored', '--plain-http', '--listen', '127.0.0.1:0'],
    ['journal', 'serve', '--directory', 'stored', '--max-journals', '0'],
    [...push('http://collector.example')],
    [...push('https://collector.example'), '--interval', '5'],
  ]
  for (const args of refused)
    expect(await modelseal(args)).toMatchObject({ code: 2, stderr: expect.stringContaining('INVALID_ARGUMENT') })
  appendFileSync(join(directory, 'tokens'), 'nonsense\n')
  expect((await modelseal(SERVE)).code).toBe(2)
})
