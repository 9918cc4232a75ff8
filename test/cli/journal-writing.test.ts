import { existsSync, writeFileSync } from 'node:fs'
import { chmod, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { verifyJournal } from '@modelseal/core/journal'
import { recordsOf } from '../../packages/core/src/testing/journal-reading.ts'
import { directory, failed, modelseal, signed, useWorkingDirectory } from './modelseal.ts'

useWorkingDirectory()

const VERIFY = ['verify', 'vad', '--policy', 'policy.yaml']

beforeEach(async () => {
  await signed()
})

function policyWith(journal: object): void {
  const rules = [{ name: 'vad', match: { path: '**' }, signers: [{ key: 'release' }] }]
  const trustRoots = { release: { publicKey: 'release.pub' } }
  writeFileSync(join(directory, 'policy.yaml'), JSON.stringify({ version: 1, trustRoots, rules, journal }))
}

test('a command by a policy with a journal is recorded before the process ends', async () => {
  policyWith({ directory: 'verdicts', service: 'check' })
  expect(await modelseal(VERIFY)).toMatchObject({ code: 0 })
  writeFileSync(join(directory, 'vad/weights.bin'), 'changed')
  expect(await modelseal(VERIFY)).toMatchObject({ code: 1 })
  const verdicts = join(directory, 'verdicts')
  const told = recordsOf(verdicts).map((one) => (one.type === 'load' ? (one.code ?? one.decision) : one.type))
  expect(told).toEqual([
    ...['segment', 'policy', 'model', 'accepted', 'end', 'close'],
    ...['segment', 'policy', 'FILE_MISMATCH', 'close'],
  ])
  expect(await verifyJournal(verdicts)).toMatchObject({ holds: true, uncovered: 0, segments: 2 })
})

test('a required journal that cannot be written makes the command fail', async () => {
  policyWith({ directory: 'verdicts', required: true })
  // A file is where its segments belong.
  await mkdir(join(directory, 'verdicts'), { mode: 0o700 })
  writeFileSync(join(directory, 'verdicts/segments'), '')
  failed(await modelseal(VERIFY), 'JOURNAL_FAILED')
})

test('a required journal that others can read makes the command fail', async () => {
  policyWith({ directory: 'verdicts', required: true })
  await mkdir(join(directory, 'verdicts'))
  await chmod(join(directory, 'verdicts'), 0o755)
  failed(await modelseal(VERIFY), 'JOURNAL_INVALID')
})

function loadsIn(journal: string): string[] {
  return recordsOf(join(directory, journal)).flatMap((one) => (one.type === 'load' ? [one.code ?? one.decision] : []))
}

test('each model that is pulled or pushed by a policy is recorded once', async () => {
  policyWith({ directory: 'verdicts', required: true })
  expect(await modelseal(['pull', 'vad', 'pulled', '--policy', 'policy.yaml'])).toMatchObject({ code: 0 })
  expect(loadsIn('verdicts')).toEqual(['accepted'])
  expect(await modelseal(['pull', 'vad', 'a', 'vad', 'b', '--policy', 'policy.yaml'])).toMatchObject({ code: 0 })
  expect(loadsIn('verdicts')).toEqual(['accepted', 'accepted', 'accepted'])
  writeFileSync(join(directory, 'vad/weights.bin'), 'changed')
  failed(await modelseal(['pull', 'vad', 'c', '--policy', 'policy.yaml']), 'FILE_MISMATCH')
  expect(loadsIn('verdicts').slice(3)).toEqual(['FILE_MISMATCH'])
  failed(await modelseal(['push', 'vad', 'oci://127.0.0.1:1/vad:1', '--policy', 'policy.yaml']), 'FILE_MISMATCH')
  expect(loadsIn('verdicts').slice(4)).toEqual(['FILE_MISMATCH'])
})

test('nothing is pulled or pushed if a required journal cannot be written', async () => {
  policyWith({ directory: 'verdicts', required: true })
  await mkdir(join(directory, 'verdicts'), { mode: 0o700 })
  writeFileSync(join(directory, 'verdicts/segments'), '')
  const push = ['push', 'vad', 'oci://127.0.0.1:1/vad:1', '--policy', 'policy.yaml']
  for (const command of [
    ['pull', 'vad', 'pulled', '--policy', 'policy.yaml'],
    push,
    VERIFY.filter((one) => one !== '--json'),
  ]) {
    const { code, stderr } = await modelseal(command)
    expect(code).toBe(1)
    expect(stderr).toContain('Error JOURNAL_FAILED: Cannot write the journal')
    // No warning says the same.
    expect(stderr.split('Cannot write the journal')).toHaveLength(2)
  }
  expect(existsSync(join(directory, 'pulled'))).toBe(false)
})

test('a refused model is reported, and so is a required journal that cannot record it', async () => {
  policyWith({ directory: 'verdicts', required: true })
  await mkdir(join(directory, 'verdicts'), { mode: 0o700 })
  writeFileSync(join(directory, 'verdicts/segments'), '')
  writeFileSync(join(directory, 'vad/weights.bin'), 'changed')
  const { code, stderr } = await modelseal(['pull', 'vad', 'pulled', '--policy', 'policy.yaml'])
  expect(code).toBe(1)
  expect(stderr).toContain('Error FILE_MISMATCH')
  expect(stderr.split('Cannot write the journal')).toHaveLength(2)
})

test('a journal that is not required and cannot be written makes no command fail, and is reported', async () => {
  policyWith({ directory: 'verdicts' })
  await mkdir(join(directory, 'verdicts'), { mode: 0o700 })
  writeFileSync(join(directory, 'verdicts/segments'), '')
  const { code, stderr } = await modelseal(VERIFY)
  expect(code).toBe(0)
  expect(stderr).toContain('Cannot write the journal')
})

test.each([
  ['policy explain', ['policy', 'explain', 'vad', '--policy', 'policy.yaml']],
  ['inspect', ['inspect', 'vad', '--policy', 'policy.yaml']],
  ['policy test', ['policy', 'test', 'policy.yaml']],
])('%s only looks, so that nothing is recorded', async (_, args) => {
  policyWith({ directory: 'verdicts', required: true })
  writeFileSync(join(directory, 'policy.test.yaml'), '- { model: vad, expect: accepted }\n')
  expect(await modelseal(args, { MODELSEAL_JOURNAL: join(directory, 'other') })).toMatchObject({ code: 0 })
  writeFileSync(join(directory, 'vad/weights.bin'), 'changed')
  expect(await modelseal(args, { MODELSEAL_JOURNAL: join(directory, 'other') })).toMatchObject({ code: 1 })
  expect([existsSync(join(directory, 'verdicts')), existsSync(join(directory, 'other'))]).toEqual([false, false])
})
