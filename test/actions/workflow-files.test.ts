import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { problemsOfAction, problemsOfWorkflow } from '../support/workflows.ts'

const ACTIONS = join(import.meta.dirname, '../../actions')
const readme = readFileSync(join(ACTIONS, 'README.md'), 'utf8')

interface ActionFile {
  inputs: Record<string, { description: string }>
  outputs: Record<string, { description: string }>
  runs: { using: string; main: string }
}

test.each(['sign', 'verify'])(
  'action.yml of %s satisfies the schema of GitHub, and the README names what it has',
  (name) => {
    const content = readFileSync(join(ACTIONS, name, 'action.yml'), 'utf8')
    expect(problemsOfAction(content)).toEqual([])
    const { inputs, outputs, runs } = parse(content) as ActionFile
    expect(runs).toEqual({ using: 'node24', main: 'dist/index.cjs' })
    for (const each of [...Object.keys(inputs), ...Object.keys(outputs)]) expect(readme).toContain(`\`${each}\``)
  },
)

test('a wrong action.yml would be noticed', () => {
  const content = 'name: x\ndescription: y\nruns:\n  using: node24\n  mian: dist/index.cjs\n'
  expect(problemsOfAction(content)).not.toEqual([])
})

test.each([
  ['an unknown key', 'on: push\njobs: { a: { runs-on: ubuntu-latest, step: [] } }'],
  [
    'an expression that does not parse',
    'on: push\njobs: { a: { runs-on: ubuntu-latest, steps: [{ run: "${{ github. }}" }] } }',
  ],
  [
    'a permission that does not exist',
    'on: push\npermissions: { code: read }\njobs: { a: { runs-on: x, steps: [{ run: a }] } }',
  ],
])('a workflow with %s would be noticed', async (_, workflow) => {
  expect(await problemsOfWorkflow(workflow)).not.toEqual([])
})

test('the workflows in the README satisfy the schema, and give each action inputs that it has', async () => {
  const workflows = [...readme.matchAll(/^```yaml\n([^]*?)^```$/gm)]
    .map(([, text = '']) => text)
    .filter((text) => text.includes('jobs:'))
  expect(workflows).toHaveLength(2)
  for (const workflow of workflows) {
    expect(await problemsOfWorkflow(workflow)).toEqual([])
    const { jobs } = parse(workflow) as { jobs: Record<string, { steps: { uses?: string; with?: object }[] }> }
    for (const { uses = '', with: given = {} } of Object.values(jobs).flatMap(({ steps }) => steps)) {
      const [, name] = /^OWNER\/modelseal\/actions\/(\w+)@REF$/.exec(uses) ?? []
      if (name === undefined) continue
      const { inputs } = parse(readFileSync(join(ACTIONS, name, 'action.yml'), 'utf8')) as ActionFile
      expect(Object.keys(inputs)).toEqual(expect.arrayContaining(Object.keys(given)))
    }
  }
})
