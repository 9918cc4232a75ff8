import { chmod, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { directory, failed, jsonOf, modelseal, POLICY, SIGN, useWorkingDirectory, write } from './modelseal.ts'

useWorkingDirectory()

const env = () => ({ MODELSEAL_CACHE: directory })

describe.runIf(process.platform === 'linux')('receipts', () => {
  test('are written if the policy allows them, and can be listed and dropped', async () => {
    await modelseal(SIGN)
    await write('policy.yaml', `${POLICY}    require: { receipts: allow }\n`)
    // No receipt is written for a file that has just changed.
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

    expect((await modelseal(['receipts', 'drop', 'vad'], env())).stdout).toBe('Removed 1 receipt.\n')
    expect((await modelseal(['receipts', 'drop', 'vad'], env())).stdout).toBe('There is no receipt for "vad".\n')
    expect((await modelseal(['receipts', 'drop', '--all'], env())).stdout).toBe('There are no receipts.\n')
    expect((await modelseal(['receipts', 'list'], env())).stdout).toBe('There are no receipts.\n')
    const third = await modelseal(verify, env())
    expect(JSON.parse(third.stdout)).toMatchObject({ verdict: { hashed: 'files' } })
  })

  test('are listed as JSON', async () => {
    process.env['MODELSEAL_CACHE'] = directory
    try {
      expect(await jsonOf(['receipts', 'list', '--json'], 0)).toMatchObject({ result: { receipts: [] } })
      expect(await jsonOf(['receipts', 'drop', '--all', '--json'], 0)).toMatchObject({ result: { dropped: 0 } })
    } finally {
      delete process.env['MODELSEAL_CACHE']
    }
  })

  test('are not read from a store that other users can enter', async () => {
    await mkdir(join(directory, 'receipts'))
    await chmod(join(directory, 'receipts'), 0o755)
    const { stderr } = await modelseal(['receipts', 'list'], env()).then((ended) => ({
      stderr: failed(ended, 'RECEIPTS_UNUSABLE'),
    }))
    expect(stderr).toContain('found the mode 0755')
  })

  test('drop needs either a model or --all', async () => {
    for (const args of [[], ['vad', '--all']]) {
      const { code, stderr } = await modelseal(['receipts', 'drop', ...args], env())
      expect(code).toBe(2)
      expect(stderr).toContain("Give either a model or '--all'")
    }
  })

  test('avoid hashing when a model is signed again', async () => {
    await setTimeout(2_100)
    const first = await modelseal([...SIGN, '--receipt'], env())
    expect(first.stdout).toContain('receipt      written for 2 of 2 files\n')
    await setTimeout(2_100)
    await write('vad/README.md', 'new')
    const again = [...SIGN, '--reuse', 'vad/model.sig', '--reuse-public-key', 'release.pub']
    const second = await modelseal(again, env())
    expect(second).toMatchObject({ code: 0, stderr: '' })
    expect(second.stdout).toContain('reused       2 files, 100.0 kB')
    expect(second.stdout).toContain('receipt      written for 2 of 3 files, except for files that changed within 2 s')
    expect(JSON.parse((await modelseal([...SIGN, '--json'], env())).stdout)).not.toHaveProperty('result.reused')

    const other = await modelseal([...SIGN, '--reuse', 'vad/model.sig', '--reuse-public-key', 'other.pub'], env())
    failed(other, 'KEY_MISMATCH')
  })

  test.each([
    ['no signer', ['--reuse', 'vad/model.sig'], 'requires the signer'],
    ['two signers', ['--reuse', 's', '--reuse-public-key', 'k', '--reuse-identity', 'i'], 'requires the signer'],
    ['no identity provider', ['--reuse', 's', '--reuse-identity', 'i'], 'must be used together'],
    ['only a signer', ['--reuse-public-key', 'k'], 'requires '],
  ])('--reuse with %s is incorrect usage', async (_, args, says) => {
    const { code, stderr } = await modelseal([...SIGN, ...args], env())
    expect(code).toBe(2)
    expect(stderr).toContain(says)
  })
})
