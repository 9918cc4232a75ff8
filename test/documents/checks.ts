import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseWorkflow, NoOperationTraceWriter } from '@actions/workflow-parser'
import { validate } from 'dockerfile-utils'
import { parseAllDocuments } from 'yaml'
import { ROOT } from '../support/documents.ts'
import { unknownOptions, unknownScripts } from './command-line.ts'
import { validateManifest } from './kubernetes.ts'
import { validatePolicyPart } from './policy-part.ts'

/** Checks of what cannot run here, by the word `checked=`. Each returns what is wrong. */
export const CHECKS: Readonly<Record<string, (text: string) => string[] | Promise<string[]>>> = {
  /** The parser of GitHub's own runner service. */
  'github-workflow': (content) =>
    parseWorkflow({ name: 'workflow.yml', content }, new NoOperationTraceWriter())
      .context.errors.getErrors()
      .map(({ message }) => message),
  dockerfile: (text) => validate(text).map(({ message }) => (typeof message === 'string' ? message : message.value)),
  'command-line': unknownOptions,
  'gitlab-ci': validatePipeline,
  commands: parseCommands,
  'npm-scripts': unknownScripts,
  'policy-part': validatePolicyPart,
  kubernetes: (text) => parseAllDocuments(text).flatMap((document) => validateManifest(document.toJS() as object)),
}

/** By the shell, without running them. */
function parseCommands(input: string): string[] {
  const { status, stderr } = spawnSync('sh', ['-n'], { input, encoding: 'utf8' })
  return status === 0 ? [] : [stderr.trim()]
}

/** By gitlab-ci-local, which lists the jobs of a pipeline that is valid by the schema of GitLab. */
function validatePipeline(text: string): string[] {
  const directory = mkdtempSync(join(tmpdir(), 'modelseal-pipeline-'))
  try {
    writeFileSync(join(directory, '.gitlab-ci.yml'), text)
    cpSync(join(ROOT, 'templates'), join(directory, 'templates'), { recursive: true })
    spawnSync('git', ['init', '--quiet', directory])
    // Only files that Git knows are included.
    spawnSync('git', ['add', '--all'], { cwd: directory })
    const program = createRequire(import.meta.url).resolve('gitlab-ci-local')
    const { status, stderr } = spawnSync(process.execPath, [program, '--list'], { cwd: directory, encoding: 'utf8' })
    return status === 0 ? [] : [stderr.trim()]
  } finally {
    rmSync(directory, { recursive: true })
  }
}
