// npm run test:bundlers: builds a program with every bundler and tracer, and runs the results.
import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '../..')
mkdirSync(join(root, '.cache/reports'), { recursive: true })
const args = ['run', '--config', 'test/bundlers/vitest.config.ts', '--reporter=default', '--reporter=json']
const { status } = spawnSync(
  join(root, 'node_modules/.bin/vitest'),
  [...args, '--outputFile.json=.cache/reports/bundlers.json'],
  { cwd: root, stdio: 'inherit' },
)
process.exitCode = status ?? 1
