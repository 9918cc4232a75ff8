// npm run test:bundlers: builds a program with every bundler and tracer, and runs the results.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

const root = join(import.meta.dirname, '../..')
const args = [
  'run',
  '--config',
  'test/bundlers/vitest.config.ts',
  '--reporter=./scripts/reporter.mjs',
  '--reporter=default',
]
const { status } = spawnSync(
  join(root, 'node_modules/.bin/vitest'),
  [...args, '--outputFile=.cache/reports/bundlers.json'],
  { cwd: root, stdio: 'inherit' },
)
process.exitCode = status ?? 1
