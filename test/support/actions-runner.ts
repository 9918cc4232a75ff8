import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'

const ACTIONS = join(import.meta.dirname, '../../actions')

/** A command that the runner finds in the output of a step. */
export interface RunnerCommand {
  name: string
  properties: Record<string, string>
  message: string
}

/** A step as the runner leaves it. */
export interface StepResult {
  code: number | null
  outputs: Record<string, string>
  summary: string
  commands: RunnerCommand[]
  /** Lines that are no commands. */
  log: string
}

/**
 * Runs the built action as a runner does: by the files `action.yml` names, with inputs as `INPUT_*` and the files of the step.
 *
 * @param workspace where the repository is checked out
 */
export async function runAction(
  name: 'sign' | 'verify',
  inputs: Record<string, string>,
  workspace: string,
  env: NodeJS.ProcessEnv = {},
): Promise<StepResult> {
  const action = parse(readFileSync(join(ACTIONS, name, 'action.yml'), 'utf8')) as ActionFile
  const unknown = Object.keys(inputs).filter((input) => !(input in action.inputs))
  if (unknown.length > 0) throw new Error(`action.yml of ${name} has no input ${unknown.join(', ')}.`)
  const temp = mkdtempSync(join(workspace, '..', 'runner-temp-'))
  const files = { GITHUB_OUTPUT: 'output', GITHUB_STEP_SUMMARY: 'summary', GITHUB_ENV: 'env', GITHUB_STATE: 'state' }
  const paths = Object.entries(files).map(([variable, file]) => [variable, join(temp, file)] as const)
  for (const [, path] of paths) writeFileSync(path, '')
  mkdirSync(join(temp, 'home'))

  const child = spawn(process.execPath, [join(ACTIONS, name, action.runs.main)], {
    cwd: workspace,
    env: {
      PATH: process.env['PATH'],
      HOME: join(temp, 'home'),
      RUNNER_TEMP: temp,
      GITHUB_ACTIONS: 'true',
      GITHUB_WORKSPACE: workspace,
      ...Object.fromEntries(paths),
      ...Object.fromEntries(
        Object.entries(action.inputs).map(([input, { default: usual = '' }]) => [
          `INPUT_${input.replaceAll(' ', '_').toUpperCase()}`,
          inputs[input] ?? usual,
        ]),
      ),
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text))
  const code = await new Promise<number | null>((resolve, reject) => child.on('error', reject).on('close', resolve))

  const lines = output.split(/\r\n|\n|\r/)
  const read = (file: string) => readFileSync(join(temp, file), 'utf8')
  const outputs = outputsIn(read('output'))
  const undeclared = Object.keys(outputs).filter((output) => !(output in action.outputs))
  if (undeclared.length > 0 || read('env') + read('state') !== '')
    throw new Error(`The action ${name} sets what action.yml does not declare: ${undeclared.join(', ')}.`)
  return {
    code,
    outputs,
    summary: read('summary'),
    commands: lines.flatMap((line) => commandIn(line) ?? []),
    log: lines.filter((line) => !commandIn(line)).join('\n'),
  }
}

interface ActionFile {
  inputs: Record<string, { default?: string }>
  outputs: Record<string, object>
  runs: { main: string }
}

/** `NAME=VALUE`, or `NAME<<DELIMITER`, lines, `DELIMITER`. */
function outputsIn(text: string): Record<string, string> {
  const outputs: Record<string, string> = {}
  const lines = text.split('\n')
  for (let line = lines.shift(); line !== undefined; line = lines.shift()) {
    const [, name, delimiter] = /^([^=<]+)<<(.+)$/.exec(line) ?? []
    if (name !== undefined)
      outputs[name] = lines
        .splice(0, lines.indexOf(delimiter ?? '') + 1)
        .slice(0, -1)
        .join('\n')
    else if (line.includes('=')) outputs[line.slice(0, line.indexOf('='))] = line.slice(line.indexOf('=') + 1)
  }
  return outputs
}

/** `::name key=value,key=value::message`, after spaces; or, as older runners did it, `##[name key=value;]message` anywhere in a line. */
function commandIn(line: string): RunnerCommand | undefined {
  const [, name, given = '', message] =
    /^\s*::([\w-]+)(?: (.*?))?::(.*)$/.exec(line) ?? /##\[([\w-]+)(?: ([^\]]*))?\](.*)$/.exec(line) ?? []
  if (name === undefined || message === undefined) return undefined
  const pairs = given.split(',').filter((pair) => pair.includes('='))
  const properties = pairs.map((pair) => [
    pair.slice(0, pair.indexOf('=')),
    unescaped(pair.slice(pair.indexOf('=') + 1)),
  ])
  return { name, properties: Object.fromEntries(properties) as Record<string, string>, message: unescaped(message) }
}

function unescaped(text: string): string {
  return text
    .replaceAll('%0D', '\r')
    .replaceAll('%0A', '\n')
    .replaceAll('%3A', ':')
    .replaceAll('%2C', ',')
    .replaceAll('%25', '%')
}
