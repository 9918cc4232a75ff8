// npm run test:sigstore: installs the servers of a Sigstore instance and the reference tool, then
// runs test/sigstore/*.test.ts against them. It needs Go and Python, but no network once they are installed.
import { referencePython, root, run } from '../interop/environment.mjs'
import { install } from './install.mjs'

if (!install()) process.exit(1)
const python = referencePython()
run(
  'vitest',
  [
    'run',
    '--config',
    'test/sigstore/vitest.config.ts',
    '--reporter=./scripts/reporter.mjs',
    '--reporter=default',
    '--outputFile=.cache/reports/sigstore.json',
  ],
  { REFERENCE_PYTHON: python },
)
