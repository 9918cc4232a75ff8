// npm run test:interop: creates a virtual environment with the reference tool in .cache/interop, then
// runs test/interop/*.test.ts against it. Fails without Python, because skipping the tests would defeat
// its purpose.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { referencePython, root, run } from './environment.mjs'

const python = referencePython()
mkdirSync(join(root, '.cache/reports'), { recursive: true })
run(
  'vitest',
  [
    'run',
    '--config',
    'test/interop/vitest.config.ts',
    '--reporter=default',
    '--reporter=json',
    '--outputFile.json=.cache/reports/interop.json',
  ],
  { REFERENCE_PYTHON: python },
)
