// npm run test:sigstore: installs the servers of a Sigstore instance and the reference tool, then
// runs test/sigstore/*.test.ts against them. It needs Go and Python, but no network once they are installed.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { referencePython, root, run } from '../interop/environment.mjs'
import { install } from './install.mjs'

if (!install()) process.exit(1)
const python = referencePython()
mkdirSync(join(root, '.cache/reports'), { recursive: true })
run(
  'vitest',
  [
    'run',
    '--config',
    'test/sigstore/vitest.config.ts',
    '--reporter=default',
    '--reporter=json',
    '--outputFile.json=.cache/reports/sigstore.json',
  ],
  { REFERENCE_PYTHON: python },
)
