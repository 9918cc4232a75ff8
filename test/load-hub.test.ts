import { execFile } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import '@modelseal/hub'
import { loadVerifiedModel } from '@modelseal/onnxruntime'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { SmallHub } from '../packages/hub/src/testing/small-hub.ts'
import { sileroVad, Workspace } from './signed-models.ts'

// Models on a hub, loaded with the built packages as programs do.

const run = promisify(execFile)
const workspace = new Workspace()
const policy = join(workspace.path, 'hub-policy.yaml')
let hub: SmallHub
let commit: string

beforeAll(async () => {
  hub = await SmallHub.start()
  const directory = await workspace.sign('vad', sileroVad())
  const names = readdirSync(directory)
  commit = hub.commit('org/vad', new Map(names.map((name) => [name, readFileSync(join(directory, name))])))
  writeFileSync(policy, readFileSync(workspace.policy, 'utf8').replace('path: "models/**"', "url: 'hf://org/*'"))
  vi.stubEnv('HF_ENDPOINT', hub.origin)
  vi.stubEnv('HF_HUB_DISABLE_IMPLICIT_TOKEN', '1')
})
afterAll(async () => {
  vi.unstubAllEnvs()
  await hub.close()
  workspace[Symbol.dispose]()
})

test('an adapter loads a model by its URL', async () => {
  const { session, verdict } = await loadVerifiedModel('hf://org/vad@main', { policy })
  await session.release()
  expect(verdict).toMatchObject({
    decision: 'accepted',
    model: { url: 'hf://org/vad', revision: commit, requested: 'main' },
  })
})

test('no other organisation matches the rule', async () => {
  hub.commit('other/vad', new Map())
  const before = hub.asked.length
  await expect(loadVerifiedModel('hf://other/vad@v1', { policy })).rejects.toMatchObject({
    code: 'POLICY_NO_MATCH',
    hint: expect.stringContaining('its source and url, which are "hf://other/vad"') as string,
  })
  expect(hub.asked.length).toBe(before)
})

test.each([
  ['esm', "import '@modelseal/hub'; import { openVerifiedModel } from '@modelseal/core'"],
  ['cjs', "require('@modelseal/hub'); const { openVerifiedModel } = require('@modelseal/core')"],
])('an import of the package is enough: %s', async (format, imports) => {
  const load = `${imports}
    openVerifiedModel('hf://org/vad', { policy: process.argv.at(-1) }).then(async (model) => {
      console.log(model.decision, model.verdict.model.revision)
      await model.close()
    })`
  const type = format === 'esm' ? ['--input-type=module'] : ['--input-type=commonjs']
  const { stdout } = await run(process.execPath, [...type, '--eval', load, policy], { cwd: import.meta.dirname })
  expect(stdout).toBe(`accepted ${commit}\n`)
})
