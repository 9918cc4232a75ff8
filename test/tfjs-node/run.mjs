// npm run test:tfjs-node: sets up real TensorFlow.js for Node, then runs test/tfjs-node/*.test.ts with
// it. On an unsupported machine, it says so and runs nothing.
import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { setup } from './setup.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '../..')
const reason = setup()
if (reason !== undefined) {
  console.log(`tfjs-node: skipped, ${reason}.`)
} else {
  const config = ['--config', 'test/tfjs-node/vitest.config.ts']
  const reports = [
    '--reporter=./scripts/reporter.mjs',
    '--reporter=default',
    '--outputFile=.cache/reports/tfjs-node.json',
  ]
  // TensorFlow logs information about the processor at every start.
  const env = { ...process.env, TF_CPP_MIN_LOG_LEVEL: '2' }
  process.exitCode =
    spawnSync('vitest', ['run', ...config, ...reports], { cwd: root, stdio: 'inherit', env }).status ?? 1
}
