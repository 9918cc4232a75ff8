// npm run test:transformers: makes the real model where it is not there yet, and runs the tests of
// test/transformers with it. Without the model they would skip themselves, so this fails instead:
// the point of the command is to run.
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { root, run } from '../interop/environment.mjs'

run('node', ['test/transformers/setup.mjs'])
if (!existsSync(join(root, '.cache/transformers/made-from.txt'))) process.exit(1)
mkdirSync(join(root, '.cache/reports'), { recursive: true })
run('vitest', [
  'run',
  '--config',
  'test/transformers/vitest.config.ts',
  '--reporter=default',
  '--reporter=json',
  '--outputFile.json=.cache/reports/transformers.json',
])
