import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { directory, failed, jsonOf, modelseal, SIGN, useWorkingDirectory, write } from './modelseal.ts'

useWorkingDirectory()

test('a model: who signed what, without a verdict, and how to trust the signer', async () => {
  await modelseal(SIGN)
  const { code, stdout } = await modelseal(['inspect', 'vad'])
  expect(code).toBe(0)
  expect(stdout).toMatch(/^Nothing was verified\./)
  expect(stdout).toMatch(/signer {7}key sha256:[0-9a-f]{64}/)
  expect(stdout).toMatch(/signature +cannot be checked with the bundle alone/)
  expect(stdout).toMatch(/content +2 files, 100\.0 kB/)
  expect(stdout).toContain('    "weights.bin"  100.0 kB')
  const entry = stdout.slice(stdout.indexOf('To trust this signer')).split('\n').slice(1)
  expect(parse(entry.map((line) => line.slice(2)).join('\n'))).toEqual({
    trustRoots: { release: { publicKey: 'release.pub' } },
    signers: [{ key: 'release' }],
  })
})

test('a bundle, as JSON', async () => {
  await modelseal(SIGN)
  const { command, result } = await jsonOf(['inspect', 'vad/model.sig', '--json'], 0)
  expect({ command, verified: result.verified, model: result.model }).toEqual({
    command: 'inspect',
    verified: false,
    model: undefined,
  })
  expect(result.bundles).toMatchObject([
    { method: 'key', statement: { name: 'vad', rootDigest: expect.stringMatching(/^sha256:/) } },
  ])
})

test('hostile names cannot drive the terminal, and a bad bundle has exit code 1', async () => {
  await modelseal(SIGN)
  const bundle = JSON.parse(await readFile(join(directory, 'vad/model.sig'), 'utf8'))
  bundle.verificationMaterial.publicKey.hint = '\u001b[31mred\n'
  bundle.dsseEnvelope.payload = Buffer.from('{"_type":"\u001b]0;x"}').toString('base64')
  await write('evil.sig', JSON.stringify(bundle))
  const { code, stdout } = await modelseal(['inspect', 'evil.sig'])
  expect(code).toBe(1)
  expect(stdout).not.toMatch(/[^\n -~]/)
  expect(stdout).toContain('problem')
  expect(failed(await modelseal(['inspect', 'release.pub']), 'BUNDLE_NOT_FOUND')).toContain('Cannot inspect the model')
})
