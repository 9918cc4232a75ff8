import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { useInstalledNode } from '../scripts/use-installed-node.mjs'
import { problemsOfWorkflow } from './support/workflows.ts'

// The files by which the hosting platform works with this repository.

const ROOT = join(import.meta.dirname, '..')
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8')
const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
  cwd: ROOT,
  encoding: 'utf8',
}).split('\n')
const workflows = readdirSync(join(ROOT, '.github/workflows')).map((name) => `.github/workflows/${name}`)

type Places = [string, string, string]
interface Step {
  name?: string
  uses?: string
  run?: string
  with?: Record<string, unknown>
}
interface Workflow {
  on: Record<string, unknown> | string
  permissions?: unknown
  jobs: Record<string, Job>
}
interface Job {
  permissions?: Record<string, string>
  'timeout-minutes'?: number
  steps?: Step[]
  strategy?: Matrix
}
interface Matrix {
  matrix: Record<string, string[]>
}

test('every YAML file can be read', () => {
  const yaml = files.filter(
    (name) => /\.ya?ml$/.test(name) && existsSync(join(ROOT, name)) && !name.includes('fixtures'),
  )
  expect(yaml.length).toBeGreaterThan(10)
  const wrong = yaml.filter((name) => parseAllDocuments(read(name)).some((document) => document.errors.length > 0))
  expect(wrong).toEqual([])
})

describe.each(workflows)('%s', (name) => {
  const text = read(name)
  const workflow = parse(text) as Workflow
  const jobs = Object.values(workflow.jobs)
  // A job that calls another workflow has none.
  const steps = jobs.flatMap((job) => job.steps ?? [])
  const events = typeof workflow.on === 'object' ? Object.keys(workflow.on) : [workflow.on]

  test('satisfies the schema of GitHub', async () => {
    expect(await problemsOfWorkflow(text)).toEqual([])
  })

  test('gives no permission to all jobs, and says what each needs', () => {
    expect(workflow.permissions).toEqual({})
    for (const { permissions, 'timeout-minutes': limit, steps } of jobs) {
      expect(permissions).toBeTypeOf('object')
      if (steps) expect(limit).toBeGreaterThan(0)
    }
    // A job that may write says why beside it.
    for (const [line] of text.matchAll(/^.*: write.*$/gm)) expect(line).toMatch(/: write # \w/)
  })

  test('never runs what strangers wrote with more permissions than they have', () => {
    expect(events).not.toContain('pull_request_target')
    expect(events).not.toContain('workflow_run')
    if (events.includes('pull_request') && name.endsWith('ci.yml'))
      for (const { permissions } of jobs) expect(permissions).toEqual({ contents: 'read' })
    // A script gets values as variables: text in it would be run.
    for (const { run = '' } of steps) expect(run).not.toContain('${{')
  })

  test('pins actions by their commits, with the version beside them, and leaves no token in the checkout', () => {
    for (const [line] of text.matchAll(/^.*\buses: .*$/gm)) {
      if (!/uses: \.\//.test(line)) expect(line).toMatch(/uses: [\w.-]+(\/[\w.-]+)+@[0-9a-f]{40} # v\d+(\.\d+){2}$/)
    }
    for (const { uses = '', with: given } of steps)
      if (uses.startsWith('actions/checkout@')) expect(given).toMatchObject({ 'persist-credentials': false })
  })
})

describe('the job that publishes', () => {
  const { jobs } = parse(read('.github/workflows/release.yml')) as Workflow
  const { pack, publish } = jobs
  const steps = publish?.steps ?? []

  test('is the only one that can sign, after the tests', () => {
    const signing = Object.entries(jobs).filter(([, { permissions }]) => permissions?.['id-token'] === 'write')
    expect(signing).toEqual([['publish', publish]])
    expect(publish).toMatchObject({ needs: ['test', 'pack'], environment: 'npm' })
  })

  test('runs nothing but npm and the action that signs beside its token', () => {
    expect(steps.flatMap(({ uses = [] }) => uses).map((uses) => uses.split('@')[0])).toEqual([
      'actions/download-artifact',
      'actions/setup-node',
    ])
    const programs = steps.flatMap(({ run = '' }) => run.match(/\b(?:npm|npx|pnpm|yarn|node|corepack) .*/g) ?? [])
    expect(programs).toEqual([
      'npm install --global --ignore-scripts npm@11.19.1',
      'node actions/sign/dist/index.cjs',
      'npm publish "./$tarball" --provenance --access public --ignore-scripts',
    ])
  })

  test.skipIf(process.platform === 'win32')('takes over exactly what was packed', () => {
    const directory = mkdtempSync(join(tmpdir(), 'modelseal-'))
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
    const [packed, taken, output] = ['packed', 'taken', 'output'].map((name) => join(directory, name)) as Places
    for (const name of ['modelseal-1.2.3/a', 'actions/sign/dist']) mkdirSync(join(packed, name), { recursive: true })
    for (const name of ['modelseal-1.2.3/a/a.tgz', 'actions/sign/dist/index.cjs', 'CHANGELOG.md'])
      writeFileSync(join(packed, name), name)
    const runStep = (job: Job | undefined, name: string, cwd: string, env: Record<string, string>) =>
      execFileSync('bash', ['--norc', '-e', '-c', job?.steps?.find((step) => step.name === name)?.run ?? 'exit 9'], {
        cwd,
        env: { PATH: process.env['PATH'], ...env },
        stdio: 'pipe',
      })
    runStep(pack, 'Hand over', packed, { GITHUB_REF_NAME: 'v1.2.3', GITHUB_OUTPUT: output })
    const sha256 = /^sha256=([0-9a-f]{64})\n$/.exec(readFileSync(output, 'utf8'))?.[1] ?? ''
    mkdirSync(taken)
    const tar = readFileSync(join(packed, 'release.tar'))
    writeFileSync(join(taken, 'release.tar'), tar)
    runStep(publish, 'Take over what was packed', taken, { SHA256: sha256 })
    expect(readFileSync(join(taken, 'modelseal-1.2.3/a/a.tgz'), 'utf8')).toBe('modelseal-1.2.3/a/a.tgz')

    const changed = join(directory, 'changed')
    mkdirSync(changed)
    tar[600]! ^= 1
    writeFileSync(join(changed, 'release.tar'), tar)
    expect(() => runStep(publish, 'Take over what was packed', changed, { SHA256: sha256 })).toThrow('did NOT match')
    expect(readdirSync(changed)).toEqual(['release.tar'])
  })
})

test('what is released under a version is the source of that version', () => {
  for (const name of ['actions', 'image'])
    expect(read(`.github/workflows/${name}.yml`)).toContain(
      'test "$VERSION" = "$(jq --raw-output .version packages/core/package.json)"\n',
    )
})

test('all workflows use an action at the same commit', () => {
  const used = workflows.flatMap((name) =>
    [...read(name).matchAll(/uses: ([\w.-]+\/[\w.-]+)\S*@([0-9a-f]{40})/g)].map(([, action, commit]) => ({
      action,
      commit,
    })),
  )
  for (const { action, commit } of used)
    expect([...new Set(used.filter((other) => other.action === action).map((other) => other.commit))]).toEqual([commit])
})

test('CI runs all checks on each system and each Node.js that the packages accept', () => {
  const { jobs } = parse(read('.github/workflows/ci.yml')) as Workflow
  const job = jobs['check']
  expect(job?.steps?.some(({ run }) => run === 'bash .ci/run')).toBe(true)
  const { os, node } = job?.strategy?.matrix ?? {}
  expect(os?.map((name) => name.split('-')[0])).toEqual(['ubuntu', 'macos', 'windows'])
  const engines = [...read('packages/core/package.json').matchAll(/"node": "([^"]+)"/g)][0]?.[1]
  expect(node).toEqual(engines?.split('||').map((range) => /\d+/.exec(range)?.[0]))
})

test('all packages accept the same versions of Node.js', () => {
  const manifests = files.filter(
    (name) =>
      /(^|\/)package\.json$/.test(name) && /^(packages|actions|examples|test)\/([\w-]+\/)?package\.json$/.test(name),
  )
  expect(manifests.length).toBeGreaterThan(10)
  const ours = manifests.filter((name) => /^(packages\/[\w-]+|actions|examples|test)\/package\.json$/.test(name))
  for (const name of ours)
    expect(parse(read(name)), name).toMatchObject({ engines: { node: '^22.22.2 || ^24.15.0 || >=26.0.0' } })
})

test('forms for issues have what GitHub requires', () => {
  const forms = readdirSync(join(ROOT, '.github/ISSUE_TEMPLATE')).filter((name) => name !== 'config.yml')
  expect(forms.length).toBeGreaterThan(1)
  for (const name of forms) {
    const form = parse(read(`.github/ISSUE_TEMPLATE/${name}`)) as {
      name: string
      description: string
      body: { type: string; id?: string; attributes: Record<string, string> }[]
    }
    expect({ name: form.name, description: form.description }).toEqual({
      name: expect.any(String),
      description: expect.any(String),
    })
    for (const { type, id, attributes } of form.body) {
      expect(['markdown', 'textarea', 'input', 'dropdown', 'checkboxes']).toContain(type)
      if (type === 'markdown') expect(attributes['value']).toBeTypeOf('string')
      else
        expect({ id, label: attributes['label'] }).toEqual({
          id: expect.stringMatching(/^[\w-]+$/),
          label: expect.any(String),
        })
    }
    expect(new Set(form.body.map(({ id }) => id)).size).toBe(form.body.length)
  }
})

test('Dependabot looks at each kind of dependency that the repository has', () => {
  const { version, updates } = parse(read('.github/dependabot.yml')) as {
    version: number
    updates: { 'package-ecosystem': string }[]
  }
  expect(version).toBe(2)
  expect(updates.map((update) => update['package-ecosystem'])).toEqual(['npm', 'github-actions', 'docker'])
})

test('CODEOWNERS names paths that exist, and teams instead of people', () => {
  const lines = [...read('.github/CODEOWNERS').matchAll(/^#? ?(\*|\/\S+) +(@\S+)$/gm)].map(
    ([, path = '', owner = '']) => ({ path, owner }),
  )
  expect(lines.length).toBeGreaterThan(3)
  for (const { path, owner } of lines) {
    expect(path === '*' || existsSync(join(ROOT, path)), path).toBe(true)
    expect(owner).toMatch(/^@[\w-]+\/[\w-]+$/)
  }
})

test.each(['CONTRIBUTING.md', 'CODE_OF_CONDUCT.md', 'GOVERNANCE.md', 'SECURITY.md', 'LICENSE', 'CHANGELOG.md'])(
  'there is a %s, whose links lead somewhere',
  (name) => {
    const links = [...read(name).matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)].map(([, link = '']) => link)
    expect(links.filter((link) => !/^https?:/.test(link) && !existsSync(join(ROOT, link)))).toEqual([])
  },
)

test('CONTRIBUTING names each suite that .ci/run runs', () => {
  const [, suites = ''] = /^suites (documents .*?) \|\|/m.exec(read('.ci/run')) ?? []
  expect(suites.split(' ').length).toBeGreaterThan(5)
  const missing = suites.split(' ').filter((suite) => !read('CONTRIBUTING.md').includes(`\`test:${suite}\``))
  expect(missing).toEqual([])
})

test('each answer to the questions of OpenSSF Best Practices names files that exist', () => {
  const answers = parse(read('.bestpractices.json')) as Record<string, string>
  const questions = Object.keys(answers).flatMap((name) => (name.endsWith('_status') ? [name.slice(0, -7)] : []))
  expect(Object.keys(answers)).toHaveLength(questions.length * 2)
  for (const name of questions) {
    expect(answers[`${name}_status`]).toMatch(/^(Met|N\/A)$/)
    const named =
      answers[`${name}_justification`]?.match(/[\w.-]+(\/[\w.-]+)+|\b[A-Z_]+\.md|LICENSE|[\w.-]+\.(json|yaml|js)\b/g) ??
      []
    expect(named.map((path) => path.replace(/\.$/, '')).filter((path) => !existsSync(join(ROOT, path)))).toEqual([])
  }
})

describe('MODELSEAL_NODE', () => {
  const withPinned = () => {
    const root = mkdtempSync(join(tmpdir(), 'modelseal-node-'))
    onTestFinished(() => rmSync(root, { recursive: true }))
    mkdirSync(join(root, 'node_modules/.bin'), { recursive: true })
    for (const name of ['node', 'node.CMD', 'vitest']) writeFileSync(join(root, 'node_modules/.bin', name), '')
    return root
  }

  test.each([undefined, 'pinned'])('leaves the pinned Node.js in place if it is %s', (value) => {
    const root = withPinned()
    useInstalledNode(root, { MODELSEAL_NODE: value })
    expect(existsSync(join(root, 'node_modules/.bin/node'))).toBe(true)
  })

  test('removes only the pinned Node.js if it is "installed"', () => {
    const root = withPinned()
    useInstalledNode(root, { MODELSEAL_NODE: 'installed' })
    expect(readdirSync(join(root, 'node_modules/.bin'))).toEqual(['vitest'])
  })

  test('is refused if it is anything else', () => {
    const root = withPinned()
    expect(() => useInstalledNode(root, { MODELSEAL_NODE: '24' })).toThrow(
      'Invalid value of MODELSEAL_NODE: expected "pinned" or "installed", got "24".',
    )
  })
})
