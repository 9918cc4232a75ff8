import { execFile, execFileSync } from 'node:child_process'
import { chmodSync, cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { parse } from 'yaml'

const TEMPLATES = join(import.meta.dirname, '../../templates')
const PROGRAM = join(import.meta.dirname, '../../packages/cli/bin/modelseal.cjs')
const RUNNER = join(dirname(createRequire(import.meta.url).resolve('gitlab-ci-local/package.json')), 'dist/index.js')

export interface PipelineResult {
  code: number
  output: string
}

/**
 * Runs the job of a component in the pipeline of a repository. gitlab-ci-local includes the component and validates the pipeline against
 * the schema of GitLab; the script then runs as a runner runs it, in one shell that stops at the first failure. The command line is
 * installed, as in an image that contains it.
 *
 * @param repository a directory, which becomes a Git repository
 */
export function runPipeline(
  repository: string,
  { component, inputs, variables = {} }: Pipeline,
): Promise<PipelineResult> {
  const job = jobOf(repository, component, inputs)
  const bin = join(repository, '../bin')
  mkdirSync(bin, { recursive: true })
  writeFileSync(join(bin, 'modelseal'), `#!/bin/sh\nexec '${process.execPath}' '${PROGRAM}' "$@"\n`)
  chmodSync(join(bin, 'modelseal'), 0o755)
  const env = {
    PATH: `${bin}:${process.env['PATH'] ?? ''}`,
    HOME: join(repository, '../home'),
    GITLAB_CI: 'true',
    ...job.variables,
    ...variables,
  }
  return new Promise((resolve) => {
    const args = ['-e', '-o', 'pipefail', '-c', job.script.join('\n')]
    execFile('bash', args, { cwd: repository, env }, (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code) : 0, output: stdout + stderr })
    })
  })
}

interface Pipeline {
  component: 'sign' | 'verify'
  inputs: Record<string, string | boolean>
  variables?: Record<string, string>
}

interface Job {
  variables: Record<string, string>
  script: string[]
}

/** The job that a pipeline gets that includes the component. */
function jobOf(repository: string, component: string, inputs: object): Job {
  cpSync(TEMPLATES, join(repository, 'templates'), { recursive: true })
  const include = [{ local: `templates/${component}.yml`, inputs: { version: '0.0.0', ...inputs } }]
  writeFileSync(join(repository, '.gitlab-ci.yml'), JSON.stringify({ include }))
  const options = { cwd: repository, encoding: 'utf8', stdio: 'pipe' } as const
  execFileSync('git', ['init', '--quiet'], options)
  // Only files that Git knows are included.
  execFileSync('git', ['add', '--all'], options)
  const pipeline = execFileSync(process.execPath, [RUNNER, '--preview', '--home', join(repository, '../home')], options)
  const job = (parse(pipeline) as Record<string, Job>)[`${component}-model`]
  if (!job) throw new Error(`The pipeline has no job of the component ${component}: ${pipeline}`)
  return job
}
