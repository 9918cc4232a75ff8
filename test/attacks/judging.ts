import { execFileSync, spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'

export const ROOT = process.geteuid?.() === 0
/** A user whom the tests know nothing of, and who may not be in `/etc/passwd`. */
export const STRANGER = 54_321

/** What `judge.mjs` is to do: options of `openVerifiedModel`, and how it looks at the policy. */
export interface Asked {
  model: string
  policy?: string
  /** By `watchPolicy`. */
  watch?: boolean
  isolation?: string
  /** Gives up root for this user, after it has opened another model. */
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

/** What became of a model in a process of its own. */
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

/** False where this machine does not let the tests do that, which is said once. */
export function canRun(command: string, ...args: readonly string[]): boolean {
  try {
    execFileSync(command, args, { stdio: 'ignore' })
    return true
  } catch {
    console.warn(`Skipped: this machine does not allow "${[command, ...args].join(' ')}".`)
    return false
  }
}
