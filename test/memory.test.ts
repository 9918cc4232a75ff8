import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { Workspace } from './signed-models.ts'
import { tinyModel } from './transformers-models.ts'

const MIB = 1024 * 1024
/** Memory that each load would keep if it leaked, in a part of the model that the program gets. */
const PADDING = MIB / 2

test('keeps no memory of a Transformers.js model after it was disposed of', async () => {
  using workspace = new Workspace()
  // Transformers.js caches its last hundred requests and the configurations that they returned, but no tokenizers.
  const directory = await workspace.sign('padded', tinyModel({ tokenizerConfig: { padding: 'x'.repeat(PADDING) } }))
  const script = join(import.meta.dirname, 'support/repeated-loads.mjs')
  const args = ['--expose-gc', script, directory, workspace.policy, '10', '50', '200']
  const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
  expect(stdout, stderr).toMatch(/^\[/)
  const [early = 0, later = Infinity, last = Infinity] = JSON.parse(stdout) as number[]
  expect((later - early) / MIB).toBeLessThan(5)
  expect((last - early) / MIB).toBeLessThan(5)
})
