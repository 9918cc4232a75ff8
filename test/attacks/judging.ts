import { execFileSync, spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'

export const ROOT = process.geteuid?.() === 0
/** An arbitrary user, who may not be in `/etc/passwd`. */
export const STRANGER = 54_321

/** A job for `judge.mjs`: options of `openVerifiedModel`, and how it reads the policy. */
export interface Asked {
  model: string
  policy?: string
  /** Whether to use `watchPolicy`. */
  watch?: boolean
  isolation?: string
  /** The user that root switches to after it has opened another model. */
  user?: number
  warmUp?: { model: string; policy: string }
}

interface Setting {
  cwd?: string
  env?: NodeJS.ProcessEnv
  /** A command that starts Node.js, such as `unshare`. */
  within?: readonly string[]
  uid?: number
}

export const JUDGE = fileURLToPath(new URL('judge.mjs', import.meta.url))

/** The outcome for a model in a separate process. */
export function judged(asked: Asked, { cwd, env, within = [], uid }: Setting = {}): Record<string, unknown> {
  const [command = process.execPath, ...args] = within
  const program = [...(within.length > 0 ? [process.execPath] : []), JUDGE, JSON.stringify(asked)]
  const inherited = { ...process.env, MODELSEAL_POLICY: undefined, MODELSEAL_POLICY_OWNER: undefined }
  const { stdout, stderr } = spawnSync(command, [...args, ...program], {
    encoding: 'utf8',
    cwd,
    env: { ...inherited, NODE_OPTIONS: undefined, ...env },
    ...(uid === undefined ? {} : { uid, gid: uid }),
  })
  expect(stdout, stderr).not.toBe('')
  return JSON.parse(stdout) as Record<string, unknown>
}

/** False if this machine does not allow that, which is reported once. */
export function canRun(command: string, ...args: readonly string[]): boolean {
  try {
    execFileSync(command, args, { stdio: 'ignore' })
    return true
  } catch {
    console.warn(`Skipped: this machine does not allow "${[command, ...args].join(' ')}".`)
    return false
  }
}
