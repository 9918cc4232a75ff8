import { execFile } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { MODEL_TAR, tarOf } from '../packages/hub/src/testing/oci-archives.ts'
import { TestRegistry } from '../packages/hub/src/testing/oci-registry.ts'
import { sileroVad, Workspace } from './signed-models.ts'

// Models in a registry, loaded with the built packages as programs do.

const run = promisify(execFile)
const workspace = new Workspace()
let files: Map<string, Uint8Array>

beforeAll(async () => {
  const directory = await workspace.sign('vad', sileroVad())
  files = new Map(readdirSync(directory).map((name) => [name, readFileSync(join(directory, name))]))
})
afterAll(() => workspace[Symbol.dispose]())

test.each([
  ['module', "import '@modelseal/hub'; import { openVerifiedModel } from '@modelseal/core'"],
  ['commonjs', "require('@modelseal/hub'); const { openVerifiedModel } = require('@modelseal/core')"],
])('an import of the package is enough to load files and archives: %s', async (format, imports) => {
  const registry = await TestRegistry.start()
  const policy = join(workspace.path, 'registry-policy.yaml')
  const match = `url: 'oci://${registry.host}/models/*'`
  writeFileSync(policy, readFileSync(workspace.policy, 'utf8').replace('path: "models/**"', match))
  const pushed = registry.pushFiles(files)
  const content = gzipSync(await tarOf([...files].filter(([name]) => name !== 'model.sig')))
  const packed = registry.push([{ mediaType: `${MODEL_TAR}+gzip`, content }])
  registry.attach(files.get('model.sig')!, packed)
  const load = `${imports}
    const load = async (url) => {
      const model = await openVerifiedModel(url, { policy: ${JSON.stringify(policy)} })
      console.log(model.decision, model.verdict.model.url, model.verdict.model.revision)
      await model.close()
    }
    load(process.argv[1]).then(() => load(process.argv[2]))`
  const args = [`--input-type=${format}`, '--eval', load, registry.url(), registry.url(`@${packed}`)]
  const { stdout } = await run(process.execPath, args, { cwd: import.meta.dirname })
  const accepted = (digest: string) => `accepted ${registry.url('')} ${digest}\n`
  expect(stdout).toBe(accepted(pushed) + accepted(packed))
})
