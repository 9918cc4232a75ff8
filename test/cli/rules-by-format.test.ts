import { appendFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { directory, failed, jsonOf, modelseal, POLICY, SIGN, useWorkingDirectory, write } from './modelseal.ts'

useWorkingDirectory()
beforeEach(async () => {
  await write('policy.yaml', POLICY.replace('path: vad', 'path: vad\n      format: dataset'))
  expect(await modelseal(SIGN)).toMatchObject({ code: 0 })
})

const POLICY_FLAGS = ['--policy', 'policy.yaml']
const DATASET = [...POLICY_FLAGS, '--format', 'dataset']
const VERIFY = ['verify', 'vad', ...DATASET]

test('a rule for a format is found by a command that states it, and the refusal of another says so', async () => {
  for (const command of [
    ['verify', 'vad'],
    ['policy', 'explain', 'vad'],
    ['inspect', 'vad'],
    ['pull', 'vad', 'copy'],
  ]) {
    const stated = await modelseal([...command, ...DATASET])
    expect(stated).toMatchObject({ code: 0, stderr: '' })
    const { code, stdout, stderr } = await modelseal([...command, ...POLICY_FLAGS])
    expect(code).toBe(1)
    expect(`${stdout}${stderr}`).toContain('The rule "everything of ours" is only for the format dataset')
    expect(`${stdout}${stderr}`).toContain('--format')
  }
})

test('verify reads every file of a dataset, of which a load reads only parts', async () => {
  expect(await jsonOf([...VERIFY, '--json'], 0)).toMatchObject({
    verdict: { decision: 'accepted', files: { checked: 2, signed: 2 }, bytes: 100_002 },
  })
  expect((await modelseal(VERIFY)).stdout).toContain('2 of 2 signed files')
  await write('vad/nested/config.json', '[]')
  expect(failed(await modelseal(VERIFY), 'FILE_MISMATCH')).toContain('nested/config.json')
  await appendFile(join(directory, 'vad/extra.bin'), 'x')
  failed(await modelseal(VERIFY), 'FILE_UNSIGNED')
})

test('inspect says that it has not read a dataset', async () => {
  expect((await modelseal(['inspect', 'vad', ...DATASET])).stdout).toContain(
    'accepts the signature. 0 of 2 signed files were compared with it.',
  )
})

test('verify reads every file of a dataset in shards', async () => {
  expect(await modelseal([...SIGN, '--shard-size', '30000'])).toMatchObject({ code: 0 })
  expect((await modelseal(VERIFY)).stdout).toContain('2 of 2 signed files')
  const changed = Buffer.alloc(100_000, 7)
  changed[99_999] = 8
  await write('vad/weights.bin', changed)
  expect(failed(await modelseal(VERIFY), 'FILE_MISMATCH')).toContain('from byte 90000 to 100000')
})

test('a misspelt format, and one without a policy, are refused', async () => {
  const misspelt = await modelseal(['verify', 'vad', ...POLICY_FLAGS, '--format', 'datset'])
  expect(misspelt.stderr).toContain('Error INVALID_ARGUMENT: Invalid value for option "format".')
  const inspected = await modelseal(['inspect', 'vad', '--format', 'dataset'])
  expect(inspected.stderr).toContain('Error INVALID_ARGUMENT: Cannot use --format without --policy')
})
