import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { sileroVad, Workspace } from './signed-models.ts'

// How the runtime of a guarded program gets its files, although the program sets no option for it.

const PROGRAM = join(import.meta.dirname, 'register/onnx.mjs')

/** Prints the isolation in each verdict. */
const TELLING = `import { subscribe } from 'node:diagnostics_channel'
subscribe('modelseal:verdict', ({ isolation }) => console.log(String(isolation)))`

let workspace: Workspace
let model: string

beforeAll(async () => {
  workspace = new Workspace()
  model = join(await workspace.sign('vad', sileroVad()), 'silero_vad.onnx')
})
afterAll(() => workspace[Symbol.dispose]())

function run(isolation: string, policy = workspace.policy) {
  const inherited = { ...process.env }
  delete inherited['NODE_OPTIONS']
  const telling = `data:text/javascript,${encodeURIComponent(TELLING)}`
  const node = ['--import', '@modelseal/register', '--import', telling]
  const { status, stdout, stderr } = spawnSync(process.execPath, [...node, PROGRAM, 'path', model], {
    encoding: 'utf8',
    cwd: import.meta.dirname,
    env: { ...inherited, MODELSEAL_POLICY: policy, MODELSEAL_ISOLATION: isolation },
  })
  return { status, lines: stdout.split('\n').slice(0, -1), stderr }
}

test.each(['memory', 'copy'])('MODELSEAL_ISOLATION=%s decides', (isolation) => {
  expect(run(isolation).lines).toEqual([isolation, 'loaded input,state,sr'])
})

test('MODELSEAL_ISOLATION never allows what the rule excludes', () => {
  const policy = join(workspace.path, 'copies.yaml')
  writeFileSync(policy, `${readFileSync(workspace.policy, 'utf8')}\n    require: { isolation: [copy] }\n`)
  const { lines } = run('memory', policy)
  expect(lines.at(-1)).toBe('ISOLATION_REFUSED')
  expect(lines).not.toContain('loaded input,state,sr')
  expect(run('auto', policy).lines).toEqual(['copy', 'loaded input,state,sr'])
})

test('the process does not start with an unknown isolation', () => {
  const { lines, status, stderr } = run('ram')
  expect({ lines, status }).toEqual({ lines: [], status: 1 })
  expect(stderr).toMatch(/^modelseal: stopping the process.*MODELSEAL_ISOLATION.*"ram"/)
})
