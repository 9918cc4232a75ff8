// Programs that the release runs.
import { execFileSync } from 'node:child_process'

export const PNPM = 'pnpm@12.21.0'

/** Runs the pinned pnpm; its output is shown only if it fails. */
export function pnpm(directory, args) {
  execFileSync('npx', ['--yes', PNPM, ...args], {
    cwd: directory,
    stdio: 'pipe',
    shell: process.platform === 'win32',
    env: { ...process.env, CI: 'true' },
  })
}
