// Sets up the workspace on a machine with only Node and npm: installs the packages in the lockfile, including the
// Node.js that everything else runs on, and builds the packages unless nothing has changed since the last build.
import { spawnSync } from 'node:child_process'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'

import { questionAbout } from './setup-failure.mjs'
import { isBuilt, recordBuild } from './unchanged-build.mjs'
import { useInstalledNode } from './use-installed-node.mjs'

const PNPM = 'pnpm@12.21.0'
const root = dirname(dirname(fileURLToPath(import.meta.url)))

step('Installing the packages in pnpm-lock.yaml', ['install', '--frozen-lockfile'])
useInstalledNode(root)
if (isBuilt(root)) console.error('The packages are built.')
else {
  step('Building the packages', ['--recursive', 'run', 'build'])
  recordBuild(root)
}

function step(what, args) {
  console.error(`${what} ...`)
  const started = Date.now()
  const { status, stdout, stderr, error } = spawnSync('npx', ['--yes', PNPM, ...args], {
    cwd: root,
    encoding: 'utf8',
    shell: process.platform === 'win32',
    maxBuffer: 1 << 28,
    env: { ...process.env, CI: 'true' },
  })
  if (status === 0) {
    console.error(`  done in ${((Date.now() - started) / 1000).toFixed(1)} s`)
    return
  }
  console.error(stdout, stderr, error ?? '')
  console.error(`${what} failed. ${questionAbout(`${stdout}${stderr}${error ?? ''}`)}`.trim())
  process.exit(1)
}
