// Programs that the release runs.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const PNPM = 'pnpm@12.21.0'
const YARN = '@yarnpkg/cli-dist@4.18.1'
const start = promisify(execFile)

/**
 * Runs a program, and shows what it prints only if it fails.
 *
 * @returns {Promise<string>} what it printed to standard output
 */
export async function run(cwd, command, args, env = process.env) {
  const options = { cwd, env, maxBuffer: 1 << 28, shell: process.platform === 'win32' }
  try {
    return (await start(command, args, options)).stdout
  } catch (error) {
    const output = `${error.stdout}${error.stderr}`.trim()
    throw new Error(`Cannot run "${command} ${args.join(' ')}" in ${cwd}: ${output || error.message}`, { cause: error })
  }
}

/** Runs the pinned pnpm. */
export function pnpm(cwd, args, env = process.env) {
  return run(cwd, 'npx', ['--yes', PNPM, ...args], { ...env, CI: 'true' })
}

/** Runs the pinned yarn. */
export function yarn(cwd, args, env = process.env) {
  return run(cwd, 'npx', ['--yes', YARN, ...args], env)
}
