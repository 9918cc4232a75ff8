import { chmod, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { directory, failed, jsonOf, modelseal, POLICY, SIGN, useWorkingDirectory, write } from './modelseal.ts'

useWorkingDirectory()

const env = () => ({ MODELSEAL_RECEIPTS: join(directory, 'receipts') })

describe.runIf(process.platform === 'linux')('receipts', () => {
  test('are left by a policy that allows them, listed and dropped', async () => {
    await modelseal(SIGN)
    await write('policy.yaml', `${POLICY}    require: { receipts: allow }\n`)
    // A file that just changed leaves none.
    await setTimeout(2_100)
    const verify = ['verify', 'vad', '--policy', 'policy.yaml', '--json']
    const first = await modelseal(verify, env())
    expect(JSON.parse(first.stdout)).toMatchObject({ verdict: { decision: 'accepted', hashed: 'files' } })

    const listed = await modelseal(['receipts', 'list'], env())
    expect(listed).toMatchObject({ code: 0, stderr: '' })
    expect(listed.stdout).toMatch(/^\d{4}-.*Z {2}".*vad" {2}2 files, sha256:[0-9a-f]{64}\n$/)
    await setTimeout(2_100)
    const second = await modelseal(verify, env())
    expect(JSON.parse(second.stdout)).toMatchObject({ verdict: { hashed: 'receipt', bytes: 0 } })

    expect((await modelseal(['receipts', 'drop', 'vad'], env())).stdout).toBe('Dropped 1 receipt.\n')
    expect((await modelseal(['receipts', 'drop', '--all'], env())).stdout).toBe('Dropped 0 receipts.\n')
    expect((await modelseal(['receipts', 'list'], env())).stdout).toBe('There are no receipts.\n')
    const third = await modelseal(verify, env())
    expect(JSON.parse(third.stdout)).toMatchObject({ verdict: { hashed: 'files' } })
  })

  test('are listed as JSON', async () => {
    process.env['MODELSEAL_RECEIPTS'] = join(directory, 'receipts')
    try {
      expect(await jsonOf(['receipts', 'list', '--json'], 0)).toMatchObject({ result: { receipts: [] } })
      expect(await jsonOf(['receipts', 'drop', '--all', '--json'], 0)).toMatchObject({ result: { dropped: 0 } })
    } finally {
      delete process.env['MODELSEAL_RECEIPTS']
    }
  })

  test('are not listed from a store that others can enter', async () => {
    await mkdir(join(directory, 'receipts'))
    await chmod(join(directory, 'receipts'), 0o755)
    const { stderr } = await modelseal(['receipts', 'list'], env()).then((ended) => ({
      stderr: failed(ended, 'RECEIPTS_UNUSABLE'),
    }))
    expect(stderr).toContain('found the mode 0755')
  })

  test('are dropped of one model, or of all, but not of nobody knows which', async () => {
    for (const args of [[], ['vad', '--all']]) {
      const { code, stderr } = await modelseal(['receipts', 'drop', ...args], env())
      expect(code).toBe(2)
      expect(stderr).toContain("Give either a model or '--all'")
    }
  })
})
