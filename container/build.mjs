// Builds the command line from the source and the lockfile, and makes the root directory of its image from it:
//   node container/build.mjs DIRECTORY
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { makeRoot, PNPM } from './root.mjs'

const [directory] = process.argv.slice(2)
if (directory === undefined) throw new Error('Usage: node container/build.mjs DIRECTORY')
// What the command line contains, and what builds it: not the runtimes of models, nor what only tests need.
const filter = ['--filter', 'modelseal-workspace', '--filter', 'modelseal...']
pnpm([...filter, 'install', '--frozen-lockfile'])
pnpm(['--filter', 'modelseal...', 'run', 'build'])
makeRoot(directory)

function pnpm(args) {
  const { status } = spawnSync('npx', ['--yes', PNPM, ...args], {
    cwd: fileURLToPath(new URL('..', import.meta.url)),
    stdio: 'inherit',
    env: { ...process.env, CI: 'true' },
  })
  if (status !== 0) process.exit(1)
}
