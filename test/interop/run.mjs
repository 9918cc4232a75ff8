// npm run test:interop: makes a virtual environment with the reference tool in .cache/interop, then
// runs test/interop/*.test.ts against it. Without Python it says so and fails: the point of the
// command is to run.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
const root = dirname(dirname(here))
const environment = join(root, '.cache/interop')
const python = join(environment, process.platform === 'win32' ? 'Scripts/python.exe' : 'bin/python')
const requirements = join(here, 'requirements.txt')
const stamp = join(environment, 'installed.txt')

if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== readFileSync(requirements, 'utf8')) {
  mkdirSync(dirname(environment), { recursive: true })
  run('python3', ['-m', 'venv', '--clear', environment])
  run(python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', requirements])
  writeFileSync(stamp, readFileSync(requirements, 'utf8'))
}
mkdirSync(join(root, '.cache/reports'), { recursive: true })
run('vitest', [
  'run',
  '--config',
  'test/interop/vitest.config.ts',
  '--reporter=default',
  '--reporter=json',
  '--outputFile.json=.cache/reports/interop.json',
])

function run(command, args) {
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, REFERENCE_PYTHON: python },
  })
  if (status === 0) return
  console.error(`${command} ${args.join(' ')} failed${error ? `: ${error.message}` : ''}.`)
  process.exit(1)
}
