import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const ACTIONS = join(import.meta.dirname, '../../actions')
const TSUP = join(import.meta.dirname, '../../node_modules/tsup/dist/cli-default.js')

test('the bundles are those of the source, byte for byte, however often they are built', async () => {
  const again = mkdtempSync(join(tmpdir(), 'modelseal-actions-'))
  try {
    const env = { ...process.env, ACTIONS_OUT: again }
    await promisify(execFile)(process.execPath, [TSUP], { cwd: ACTIONS, env })
    for (const file of ['sign/dist/index.cjs', 'verify/dist/index.cjs', 'sign/dist/LICENSES.txt'])
      expect(readFileSync(join(again, file)).equals(readFileSync(join(ACTIONS, file))), file).toBe(true)
  } finally {
    rmSync(again, { recursive: true })
  }
})

test.each(['sign', 'verify'])(
  'the bundle of %s contains everything but native code and what only other commands need',
  (name) => {
    const text = readFileSync(join(ACTIONS, name, 'dist/index.cjs'), 'utf8')
    const required = [...text.matchAll(/\brequire\("([^"]+)"\)/g)].map(([, module = '']) => module)
    expect(required.length).toBeGreaterThan(10)
    expect(required.filter((module) => !module.startsWith('node:') && !BUILT_IN.has(module))).toEqual([])
  },
)

const BUILT_IN = new Set(process.getBuiltinModule('node:module').builtinModules)
