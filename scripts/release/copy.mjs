// A copy of the workspace in another directory, from which a release is made without touching the workspace.
import { cpSync, existsSync, mkdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { pnpm, run } from './programs.mjs'

/** The commit, and what has changed since. */
export async function copyWorkspace(root, copy) {
  await run(root, 'git', ['clone', '--quiet', '--shared', root, copy])
  const changed = await listed(root, 'diff', '--name-only', '--no-renames', 'HEAD')
  const added = await listed(root, 'ls-files', '--others', '--exclude-standard')
  for (const file of [...changed, ...added]) {
    rmSync(join(copy, file), { force: true })
    if (!existsSync(join(root, file))) continue
    mkdirSync(dirname(join(copy, file)), { recursive: true })
    cpSync(join(root, file), join(copy, file), { verbatimSymlinks: true })
  }
}

const PACKAGES = ['--filter', './packages/*']

/** Installs what setting the version and building the packages need. */
export function installCopy(copy) {
  return pnpm(copy, [
    ...PACKAGES,
    '--filter',
    'modelseal-workspace',
    'install',
    '--frozen-lockfile',
    '--prefer-offline',
  ])
}

export function buildCopy(copy) {
  return pnpm(copy, ['--recursive', ...PACKAGES, 'run', 'build'])
}

async function listed(directory, command, ...options) {
  return (await run(directory, 'git', [command, '-z', ...options])).split('\0').filter((file) => file !== '')
}
