import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { refusal, scratch } from '../testing/scratch.ts'
import { appendLine } from './append-line.ts'

const MODULE = JSON.stringify(pathToFileURL(join(import.meta.dirname, 'append-line.ts')).href)

test('lines are added to a file, which is created', async () => {
  const path = join(scratch(), 'model.claims.jsonl')
  await appendLine(path, Buffer.from('{"a":1}'))
  await appendLine(path, Buffer.from('{"b":2}'))
  expect(readFileSync(path, 'utf8')).toBe('{"a":1}\n{"b":2}\n')
})

test('a line that was cut short keeps no other line from being read', async () => {
  const path = join(scratch({ claims: '{"a":1}\n{"cut":' }), 'claims')
  await appendLine(path, Buffer.from('{"b":2}'))
  expect(readFileSync(path, 'utf8')).toBe('{"a":1}\n{"cut":\n{"b":2}\n')
})

test('several processes lose no line of each other', async () => {
  const path = join(scratch(), 'claims')
  const script = (name: string) => `
    const { appendLine } = await import(${MODULE})
    for (let i = 0; i < 25; i++)
      await appendLine(${JSON.stringify(path)}, Buffer.from(JSON.stringify({ by: '${name}', i, x: 'x'.repeat(20_000) })))
  `
  const writers = ['a', 'b', 'c'].map((name) =>
    spawn(process.execPath, ['--input-type=module', '-e', script(name)], { stdio: 'ignore' }),
  )
  expect(await Promise.all(writers.map((child) => once(child, 'exit')))).toEqual([
    [0, null],
    [0, null],
    [0, null],
  ])
  // A line that another process is writing looks cut short, so that an empty one may follow it.
  const lines = readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
  const found = lines.map((line) => JSON.parse(line) as { by: string; i: number })
  expect(found).toHaveLength(75)
  for (const name of ['a', 'b', 'c'])
    expect(found.filter(({ by }) => by === name).map(({ i }) => i)).toEqual(Array.from({ length: 25 }, (_, i) => i))
})

test('links, directories and devices are refused', async () => {
  const directory = scratch({ target: 'x' })
  symlinkSync('target', join(directory, 'link'))
  mkdirSync(join(directory, 'directory'))
  for (const path of [
    join(directory, 'link'),
    join(directory, 'directory'),
    join(directory, 'none/claims'),
    '/dev/null',
  ])
    await expect(appendLine(path, Buffer.from('{}'))).rejects.toEqual(refusal('FILE_WRITE_FAILED'))
  expect(readFileSync(join(directory, 'target'), 'utf8')).toBe('x')
})

test('a line that does not fit leaves the file as it was', async () => {
  const path = join(scratch({ claims: 'before\n' }), 'claims')
  // A limit on the size of files cuts a write short, as a full disk does.
  const script = `
    process.on('SIGXFSZ', () => {})
    const { appendLine } = await import(${MODULE})
    await appendLine(${JSON.stringify(path)}, Buffer.alloc(4_000, 'x')).then(() => process.exit(3), (error) => process.exit(error.code === 'FILE_WRITE_FAILED' ? 7 : 4))
  `
  const child = spawn(
    '/bin/sh',
    ['-c', `ulimit -f 1; exec "$0" "$@"`, process.execPath, '--input-type=module', '-e', script],
    { stdio: 'inherit' },
  )
  expect(await once(child, 'exit')).toEqual([7, null])
  writeFileSync(join(scratch(), 'x'), '')
  expect(readFileSync(path, 'utf8')).toBe('before\n')
})
