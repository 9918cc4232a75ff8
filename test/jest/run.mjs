// npm run test:jest: runs loads.test.cjs in Jest 29 and 30, which evaluate the packages in a separate realm.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { signByMethods } from '../support/signed-by-methods.ts'

const PNPM = 'pnpm@12.21.0'
const root = join(import.meta.dirname, '../..')
const packages = createRequire(import.meta.url)

run('npx', ['--yes', PNPM, 'install', '--frozen-lockfile', '--silent'])
const work = realpathSync(mkdtempSync(join(tmpdir(), 'modelseal-jest-')))
try {
  await signByMethods(work)
  for (const release of ['29', '30']) testIn(release)
} finally {
  rmSync(work, { recursive: true, force: true })
}

function testIn(release) {
  const jest = join(packages.resolve(`jest-${release}/package.json`), '../bin/jest.js')
  const report = join(root, `.cache/reports/jest-${release}.json`)
  mkdirSync(join(root, '.cache/reports'), { recursive: true })
  const config = JSON.stringify({ rootDir: import.meta.dirname, testMatch: ['**/*.test.cjs'], transform: {} })
  const { status } = spawnSync(process.execPath, [jest, '--config', config, '--json', '--outputFile', report], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, MODELS: work, MODELSEAL_POLICY: join(work, 'modelseal.policy.yaml') },
  })
  if (status !== 0) process.exitCode = 1
}

function run(command, args) {
  const { status, error } = spawnSync(command, args, {
    cwd: import.meta.dirname,
    stdio: 'inherit',
    env: { ...process.env, CI: 'true' },
  })
  if (status === 0) return
  console.error(`${command} ${args.join(' ')} failed${error ? `: ${error.message}` : ''}.`)
  process.exit(1)
}
