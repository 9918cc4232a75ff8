import { spawn } from 'node:child_process'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, expect, onTestFinished, test } from 'vitest'
import { SmallHub } from '../packages/hub/src/testing/small-hub.ts'
import { Workspace } from './signed-models.ts'
import { tinyModel } from './transformers-models.ts'

const workspace = new Workspace()
afterAll(() => workspace[Symbol.dispose]())

test('examples/hub.mjs serves a model from a hub, and does not start with a changed one', async () => {
  const hub = await SmallHub.start()
  onTestFinished(() => hub.close())
  const directory = await workspace.sign('tiny', tinyModel())
  const names = readdirSync(directory, { recursive: true, encoding: 'utf8' })
  const own = names.filter((name) => statSync(join(directory, name)).isFile())
  const files = new Map(own.map((name): [string, Uint8Array] => [name, readFileSync(join(directory, name))]))
  const commit = hub.commit('org/tiny', files)
  hub.commit('org/tiny', new Map(files).set('config.json', Buffer.from('{}')), { branch: 'changed' })
  const policy = join(workspace.path, 'hub.yaml')
  writeFileSync(policy, readFileSync(workspace.policy, 'utf8').replace('path: "models/**"', 'source: "hf://org/*"'))
  const start = (revision: string) => {
    const env = { ...process.env, HF_ENDPOINT: hub.origin, MODELSEAL_POLICY: policy }
    const program = join(import.meta.dirname, '../examples/hub.mjs')
    return spawn(process.execPath, [program, 'org/tiny', revision], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  }

  const service = start('main')
  onTestFinished(() => void service.kill())
  const lines: string[] = []
  for await (const line of createInterface(service.stdout)) {
    lines.push(line)
    if (line.startsWith('Listening')) break
  }
  expect(lines.join('\n')).toContain(`Its revision is "${commit}", which "main" names.`)
  const address = lines.at(-1)!.replace('Listening on ', '')
  const vector = (await (await fetch(address, { method: 'POST', body: 'hello' })).json()) as number[]
  expect(vector).toHaveLength(4)

  const refused = start('changed')
  const stderr = (await refused.stderr.toArray()).join('')
  expect(stderr).toContain('FILE_MISMATCH')
  expect(await new Promise((resolve) => refused.once('close', resolve))).toBe(1)
})
