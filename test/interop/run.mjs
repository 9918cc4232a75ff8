// npm run test:interop: creates a virtual environment with the reference tool in .cache/interop, has Python write datasets in
// .cache/datasets, then runs test/interop/*.test.ts against them. Fails without Python, because skipping the tests would defeat
// its purpose.
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { pythonWith, referencePython, root, run } from './environment.mjs'

const python = referencePython()
const datasets = join(root, '.cache/datasets')
const here = (name) => fileURLToPath(new URL(name, import.meta.url))
const wheels = ['--no-deps', '--only-binary=:all:']
run(pythonWith(here('datasets.txt'), join(datasets, 'python'), wheels), [
  here('make_datasets.py'),
  join(datasets, 'data'),
])
run(
  'vitest',
  [
    'run',
    '--config',
    'test/interop/vitest.config.ts',
    '--reporter=./scripts/reporter.mjs',
    '--reporter=default',
    '--outputFile=.cache/reports/interop.json',
  ],
  { REFERENCE_PYTHON: python, DATASETS_OF_PYTHON: join(datasets, 'data') },
)
