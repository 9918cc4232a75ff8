import { spawnSync } from 'node:child_process'
import { cpSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { blazeFace, copyOf, flipBit, Workspace } from '../signed-models.ts'

const SAVED_MODEL = join(import.meta.dirname, 'fixtures/saved-model')
const REGISTER = createRequire(import.meta.url).resolve('@modelseal/register')
const workspace = new Workspace()
afterAll(() => workspace[Symbol.dispose]())

function run(how: string, models: string[], env: Record<string, string> = {}) {
  const program = join(import.meta.dirname, 'register.cjs')
  const { stdout, stderr } = spawnSync(process.execPath, ['--require', REGISTER, program, how, ...models], {
    encoding: 'utf8',
    env: { ...process.env, TF_CPP_MIN_LOG_LEVEL: '2', MODELSEAL_POLICY: workspace.policy, ...env },
  })
  return { lines: stdout.split('\n').filter((line) => /^(loaded$|[A-Z_]+$)/.test(line)), stderr }
}

const blaze = await workspace.sign('blazeface', blazeFace())
const unsigned = workspace.write('saved-unsigned', {})
cpSync(SAVED_MODEL, unsigned, { recursive: true })
cpSync(SAVED_MODEL, workspace.write('saved', {}), { recursive: true })
const good = await workspace.sign('saved', {})
const tampered = copyOf(good, 'saved-tampered')
flipBit(join(tampered, 'variables/variables.data-00000-of-00001'))

test('an unchanged program can load an unchanged SavedModel, and no other', () => {
  expect(run('saved', [good, tampered, unsigned]).lines).toEqual(['loaded', 'FILE_MISMATCH', 'BUNDLE_NOT_FOUND'])
})

test('the TensorFlow.js functions that tfjs-node re-exports are guarded', () => {
  const changed = copyOf(blaze, 'blazeface-tampered')
  flipBit(join(changed, 'blazeface.bin'))
  expect(run('graph', [join(blaze, 'model.json'), join(changed, 'model.json')]).lines).toEqual([
    'loaded',
    'FILE_MISMATCH',
  ])
})

test('the native addon never gets a SavedModel that was not judged', () => {
  expect(run('backend', [good]).lines).toEqual(['RUNTIME_UNGUARDED'])
})

test('an audit loads models that would be refused, and reports them', () => {
  const { lines, stderr } = run('saved', [unsigned], { MODELSEAL_MODE: 'audit' })
  expect(lines).toEqual(['loaded'])
  expect(stderr).toContain(`modelseal: audit: would refuse "${unsigned}": BUNDLE_NOT_FOUND`)
})
