import { writeFileSync } from 'node:fs'
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
