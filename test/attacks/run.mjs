// npm run test:attacks: runs the random attacks with 2,000 cases each, or ATTACK_RUNS of them. With
// ATTACK_SEED they begin with that case: one that failed is had again with ATTACK_RUNS=1.
import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '../..')
const reports = ['--reporter=default', '--reporter=json', '--outputFile.json=.cache/reports/attacks.json']
mkdirSync(join(root, '.cache/reports'), { recursive: true })
const env = { ...process.env, ATTACK_RUNS: process.env.ATTACK_RUNS || '2000' }
process.exitCode =
  spawnSync('vitest', ['run', ...reports, 'test/attacks/random-'], { cwd: root, stdio: 'inherit', env }).status ?? 1
