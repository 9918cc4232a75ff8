// npm run test:journal: builds a program with Go's packages for transparency logs, and installs a witness; then runs test/journal/*.test.ts
// against them, after a soak of many writers (soak/soak.mjs).
// Fails without Go and the programs of OpenSSH, because skipping the tests would defeat their purpose.
import { mkdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { root, run } from '../interop/environment.mjs'
import { buildGoProgram, installGoPrograms } from '../support/go-programs.mjs'

const source = join(dirname(fileURLToPath(import.meta.url)), 'peer')
const peer = join(root, '.cache/journal/peer')
mkdirSync(dirname(peer), { recursive: true })
const version = ['go.mod', 'main.go'].map((name) => readFileSync(join(source, name), 'utf8')).join('')
if (!buildGoProgram(peer, source, version)) process.exit(1)
/** Later versions require a newer Go than 1.26. */
const WITNESS = { litewitness: 'filippo.io/torchwood/cmd/litewitness@v0.6.1' }
if (!installGoPrograms(WITNESS, dirname(peer))) process.exit(1)
run('node', ['--no-warnings', 'test/journal/soak/soak.mjs'])
run(
  'vitest',
  [
    'run',
    '--config',
    'test/journal/vitest.config.ts',
    '--reporter=./scripts/reporter.mjs',
    '--reporter=default',
    '--outputFile=.cache/reports/journal.json',
  ],
  { JOURNAL_PEER: peer, JOURNAL_WITNESS: join(dirname(peer), 'litewitness') },
)
