// npm run test:transformers: creates the real model if it does not exist, and runs test/transformers
// with it. Fails without the model, because skipping the tests would defeat its purpose.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { root, run } from '../interop/environment.mjs'

run('node', ['test/transformers/setup.mjs'])
if (!existsSync(join(root, '.cache/transformers/made-from.txt'))) process.exit(1)
run('vitest', [
  'run',
  '--config',
  'test/transformers/vitest.config.ts',
  '--reporter=./scripts/reporter.mjs',
  '--reporter=default',
  '--outputFile=.cache/reports/transformers.json',
])
