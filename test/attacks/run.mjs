// npm run test:attacks: runs the tests of random input with 2,000 cases each, or ATTACK_RUNS, and the tests that take
// long. With ATTACK_SEED, tests named random- start with that case; with ATTACK_RUNS=1, they repeat a failed case.
import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { LONG_TESTS } from './long.ts'

const root = join(dirname(fileURLToPath(import.meta.url)), '../..')
const reports = ['--reporter=./scripts/reporter.mjs', '--reporter=default', '--outputFile=.cache/reports/attacks.json']
const files = [
  ...LONG_TESTS,
  'test/attacks/random-',
  'test/attacks/swapping',
  'test/attacks/load-model.test.ts',
  'test/properties.test.ts',
  'test/chain-openssl.test.ts',
  'packages/core/src/loading/judging/policy-properties.test.ts',
  'packages/core/src/verification/hostile.test.ts',
  'packages/core/src/verification/sigstore/mutations.test.ts',
]
const env = { ...process.env, ATTACK_RUNS: process.env.ATTACK_RUNS || '2000' }
process.exitCode = spawnSync('vitest', ['run', ...reports, ...files], { cwd: root, stdio: 'inherit', env }).status ?? 1
