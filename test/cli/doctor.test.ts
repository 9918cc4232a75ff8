import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { directory, jsonOf, modelseal, useWorkingDirectory } from './modelseal.ts'

useWorkingDirectory()

interface Finding {
  status: string
  subject: string
  found: string
  action?: string
}

async function findings(args: readonly string[], code: number): Promise<Finding[]> {
  const { result } = (await jsonOf(['doctor', '--json', ...args], code)) as { result: { findings: Finding[] } }
  return result.findings
}

describe('doctor', () => {
  test('finds nothing in the way of loads by a valid policy', async () => {
    const found = await findings(['--policy', 'policy.yaml'], 0)
    expect(found.filter(({ status }) => status === 'problem')).toEqual([])
    expect(found.map(({ subject }) => subject)).toEqual(
      expect.arrayContaining(
        [
          'Node.js',
          'pkcs11js',
          'policy',
          'clock',
          'trust root',
          'cache directory',
          'TMPDIR',
          'proxies',
          'credentials',
        ].concat(['memory', 'in-place', 'copy'].map((level) => `isolation ${level}`)),
      ),
    )
    for (const { status, action } of found) expect(action === undefined).toBe(status === 'ok')
    const { code, stdout } = await modelseal(['doctor', '--policy', 'policy.yaml'])
    expect(code).toBe(0)
    expect(stdout).toContain('\nNothing prevents verified loads.\n')
  })

  test('exits with 1 if there is a problem, and says what to do', async () => {
    await mkdir(join(directory, '.git'))
    const { code, stdout, stderr } = await modelseal(['doctor'])
    expect({ code, stderr }).toEqual({ code: 1, stderr: '' })
    expect(stdout).toMatch(/^PROBLEM {2}policy: POLICY_NOT_FOUND: .*\n {9}Use the option "policy"/m)
    expect(stdout).toContain('\n1 problem prevents verified loads.\n')
  })

  test('shows no value of a secret', async () => {
    const secrets = { HF_TOKEN: 'hf_secret', AWS_ACCESS_KEY_ID: 'secret', MODELSEAL_PASSWORD: 'secret' }
    const { stdout, stderr } = await modelseal(['doctor'], {
      ...secrets,
      HTTPS_PROXY: 'http://u:secret@proxy.example:1',
    })
    expect(stdout).toContain('Hugging Face: HF_TOKEN')
    expect(stdout).toContain('proxy.example:1')
    expect(stdout + stderr).not.toContain('secret')
  })
})
