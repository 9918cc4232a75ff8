import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { refusal, scratch } from '../../testing/scratch.ts'
import { TestSigstore } from '../../testing/sigstore.ts'
import { loadSigstoreTrust } from '../../verification/sigstore/trust.ts'
import { exportTrustRoot } from './export-trust-root.ts'

test('a trusted root is written to a file that everybody may read, with the same digest', async () => {
  const directory = scratch({ 'root.json': JSON.stringify(await new TestSigstore().root()) })
  const [source, output] = [{ file: join(directory, 'root.json') }, join(directory, 'copy.json')]
  const info = await exportTrustRoot(source, output)
  const trust = await loadSigstoreTrust(source)
  expect(info).toEqual(trust.info)
  expect(readFileSync(output)).toEqual(trust.text)
  expect(statSync(output).mode & 0o777).toBe(0o644)
  expect((await loadSigstoreTrust({ file: output })).info.digest).toBe(info.digest)
  await expect(exportTrustRoot(source, directory)).rejects.toEqual(
    refusal('FILE_WRITE_FAILED', { file: directory, message: expect.stringContaining('trusted root') as string }),
  )
})
