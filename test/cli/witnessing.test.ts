import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { loadRecord, TestJournal, type TestSegment } from '../../packages/core/src/testing/journals.ts'
import { TestWitness } from '../../packages/journal/src/testing/witness.ts'
import { directory, failed, jsonOf, modelseal, PROGRAM, useWorkingDirectory } from './modelseal.ts'

useWorkingDirectory()

let journal: TestJournal
let segment: TestSegment
let witness: TestWitness
let args: string[]

beforeEach(async () => {
  mkdirSync(join(directory, 'journal'))
  journal = new TestJournal(join(directory, 'journal'))
  segment = journal.segment()
  segment.add(loadRecord())
  segment.commit()
  witness = await TestWitness.start()
  writeFileSync(join(directory, 'witness.vkey'), `${witness.key.vkey}\n`)
  args = ['journal', 'witness', 'journal', '--to', witness.url, '--witness-key', 'witness.vkey']
})

const VERIFY = ['journal', 'verify', 'journal', '--witness-key', 'witness.vkey']

test('has a checkpoint cosigned, by which the journal is verified', async () => {
  const { code, stdout } = await modelseal([...args, '--output', 'kept'])
  expect(code).toBe(0)
  expect(stdout).toMatch(
    /^Cosigned: a checkpoint over 1 commit\n {2}root {5}sha256:[0-9a-f]{64}\n {2}witness {2}"witness.example\/w1"\n/,
  )
  const verified = await modelseal([...VERIFY, '--checkpoint', 'kept'])
  expect(verified).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('"witness.example/w1" cosigned it at 2026-11-18T11:06:40.000Z'),
  })
  expect(await jsonOf([...VERIFY, '--checkpoint', 'kept', '--json'], 0)).toMatchObject({
    result: { compared: 1, witness: { name: 'witness.example/w1', time: '2026-11-18T11:06:40.000Z' } },
  })
  expect(await jsonOf([...args, '--json'], 0)).toMatchObject({
    ok: true,
    command: 'journal witness',
    result: { size: 1, file: expect.stringContaining('witnessed-') },
  })
})

test('refuses what the witness does not cosign, and what it did not cosign', async () => {
  writeFileSync(join(directory, 'kept'), journal.notes[0]!)
  failed(await modelseal([...VERIFY, '--checkpoint', 'kept']), 'JOURNAL_INVALID')
  expect(await modelseal(VERIFY)).toMatchObject({ code: 2, stderr: expect.stringContaining('INVALID_ARGUMENT') })
  witness.trick = (response) => (response.writeHead(422).end(), true)
  failed(await modelseal(args), 'JOURNAL_INCONSISTENT')
  failed(await modelseal([...args.slice(0, -1), journal.file.key]), 'KEY_INVALID')
})

test('follows the journal until it is ended', async () => {
  const child = spawn(process.execPath, [PROGRAM, ...args, '--follow', '--interval', '50ms', '--json'], {
    cwd: directory,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  for await (const piece of child.stdout) {
    output += String(piece)
    if (output.includes('"size":1') && journal.tree.size === 1) {
      segment.add(loadRecord())
      segment.commit()
    }
    if (output.includes('"size":2') && !child.killed) child.kill('SIGTERM')
  }
  if (child.exitCode === null) await once(child, 'exit')
  expect(child.exitCode).toBe(143)
  const [first] = output.split('\n')
  expect(JSON.parse(first!)).toMatchObject({ witnessed: { size: 1 }, time: expect.stringMatching(/Z$/) })
})
