import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const SCRIPT = join(import.meta.dirname, '../../scripts/verify-release.mjs')

/** The script fails before it asks a registry for anything. */
function verifyRelease(...args: string[]): Promise<{ code: unknown; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [SCRIPT, ...args], (error, _, stderr) => resolve({ code: error?.code, stderr }))
  })
}

test.each([
  ['no version', ['--policy', 'p.yaml'], /^Usage: /],
  ['no policy', ['1.0.0'], /^Usage: /],
  ['a misspelt option', ['1.0.0', '--polciy', 'p.yaml'], /^Unknown option '--polciy'\.\nUsage: /],
  ['an option without its value', ['1.0.0', '--policy'], /^Option '--policy <value>' argument missing\.\nUsage: /],
])('with %s, it shows its usage', async (_, args, says) => {
  const { code, stderr } = await verifyRelease(...args)
  expect(code).toBe(2)
  expect(stderr).toMatch(says)
  expect(stderr).not.toContain('    at ')
})

test('says once what to do about a refusal', async () => {
  const { code, stderr } = await verifyRelease('1.0.0', '--policy', 'no-such-policy.yaml')
  expect(code).toBe(1)
  for (const line of stderr.trim().split('\n')) {
    expect(line).toMatch(/^Cannot verify \S+ 1\.0\.0: There is no trust policy at "/)
    expect(line.match(/Check the path/g)).toHaveLength(1)
  }
})
