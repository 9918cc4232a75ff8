// npm run setup:fleet: installs Redis with apt unless it is there.
import { spawnSync } from 'node:child_process'

export function setupFleet() {
  if (spawnSync('redis-server', ['--version']).status === 0) return
  for (const args of [['update'], ['install', '-y', '--no-install-recommends', 'redis-server']]) {
    const { status } = spawnSync('apt-get', args, { stdio: ['ignore', 'ignore', 'inherit'] })
    if (status !== 0) throw new Error('Cannot install redis-server. Install it, and run this command again.')
  }
}

if (import.meta.main) setupFleet()
