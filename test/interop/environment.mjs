// Virtual environments of Python in .cache, such as one with the reference tool.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
export const root = dirname(dirname(here))

/** The Python of the environment with the reference tool. */
export function referencePython() {
  return pythonWith(join(here, 'requirements.txt'), join(root, '.cache/interop'))
}

/** Creates an environment if it does not exist. Without Python, reports that and ends the process. @param options of pip */
export function pythonWith(requirements, environment, options = []) {
  const python = join(environment, process.platform === 'win32' ? 'Scripts/python.exe' : 'bin/python')
  const stamp = join(environment, 'installed.txt')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === readFileSync(requirements, 'utf8')) return python
  mkdirSync(dirname(environment), { recursive: true })
  run('python3', ['-m', 'venv', '--clear', environment])
  run(python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...options, '-r', requirements])
  writeFileSync(stamp, readFileSync(requirements, 'utf8'))
  return python
}

/** Runs a command in the root of the workspace. If it fails, the process ends. */
export function run(command, args, env = {}) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } })
  if (status === 0) return
  console.error(`${command} ${args.join(' ')} failed${error ? `: ${error.message}` : ''}.`)
  process.exit(1)
}
