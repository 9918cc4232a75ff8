// npm run test:install: installs the packed packages as users do, counts what is installed, and uses it. Needs the registry.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

const root = join(import.meta.dirname, '../..')
const args = [
  'run',
  '--config',
  'test/install/vitest.config.ts',
  '--reporter=./scripts/reporter.mjs',
  '--reporter=default',
]
const { status } = spawnSync(
  join(root, 'node_modules/.bin/vitest'),
  [...args, '--outputFile=.cache/reports/install.json'],
  { cwd: root, stdio: 'inherit' },
)
process.exitCode = status ?? 1
