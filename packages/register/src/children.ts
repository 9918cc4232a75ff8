import { createRequire, syncBuiltinESMExports } from 'node:module'
import { resolve } from 'node:path'
import type * as ChildProcess from 'node:child_process'
import { encodeEnvironment } from '@modelseal/core/environment'
import { isThisNode, pathIn } from './this-node.ts'

const require = createRequire(import.meta.url)

/**
 * Makes every Node.js process that the program starts begin with this package and the environment of this process,
 * whatever `env`, `execArgv` and working directory it gets. This covers `fork()`, `cluster.fork()`, and all calls that
 * start the same executable without a shell.
 */
export function guardChildren(): void {
  const child = require('node:child_process') as typeof ChildProcess
  guardStarting(child.ChildProcess.prototype as unknown as Starting)
  for (const name of ['spawnSync', 'execFileSync'] as const) {
    const original = child[name] as Synchronous
    ;(child as unknown as Record<typeof name, Synchronous>)[name] = (file, ...rest) => {
      // The arguments may be missing or null.
      const args = Array.isArray(rest[0]) || rest[0] == null ? ((rest.shift() ?? []) as string[]) : []
      const { shell, env = process.env, cwd } = (rest[0] ?? {}) as ChildProcess.SpawnOptions
      const path = pathIn(Object.keys(env).map((name) => `${name}=${env[name]}`))
      const guarded = !shell && isThisNode(file, { path, cwd })
      return original(file, guarded ? [...preload(args), ...args] : args, ...rest)
    }
  }
  guardReplacing()
  syncBuiltinESMExports()
}

/**
 * The environment that the parent process passed to this process.
 *
 * @returns undefined if no guarded process started it
 */
export function handedEnvironment(): string | undefined {
  const handed = process.execArgv.find((argument) => argument.startsWith(CARRIER))
  return handed && Buffer.from(handed.slice(CARRIER.length), 'base64url').toString()
}

/** The CommonJS build, because `--require` does not depend on the working directory and runs before every `--import`. */
export const FILE = require.resolve('@modelseal/register')

/**
 * An option that Node.js accepts with any text, in processes and threads. It has no effect with this text, because no
 * warning has such a code. Child processes pass it on with their own options.
 */
const CARRIER = '--disable-warning=modelseal:'

/** @param args the program's arguments, which may come from `process.execArgv` and begin with ours */
function preload(args: readonly string[]): string[] {
  const environment = Buffer.from(encodeEnvironment()).toString('base64url')
  const ours = ['--require', FILE, CARRIER + environment]
  return ours.every((argument, index) => args[index] === argument) ? [] : ours
}

type Synchronous = (file: string, ...rest: unknown[]) => unknown

interface Starting {
  spawn: (options: Start) => unknown
}

/** The normalized arguments of `node:cluster` and of the asynchronous functions of `node:child_process`. */
interface Start {
  file: string
  /** The first argument is the name of the process. */
  args?: string[]
  envPairs?: readonly string[]
  cwd?: string
  /** Set by `fork()`: the Node.js executable to start. */
  execPath?: unknown
}

function guardStarting(prototype: Starting): void {
  const spawn = prototype.spawn
  prototype.spawn = function (start) {
    const { file, args = [], envPairs = [], execPath, cwd } = start
    if (execPath !== file && !isThisNode(file, { path: pathIn(envPairs), cwd })) return spawn.call(this, start)
    const [name = file, ...rest] = args
    const guarded = { ...start, args: [name, ...preload(rest), ...rest] }
    return spawn.call(this, Object.setPrototypeOf(guarded, null) as Start)
  }
}

/** `process.execve()` replaces this process with another program. */
function guardReplacing(): void {
  const { execve } = process as { execve?: (file: string, args?: string[], env?: NodeJS.ProcessEnv) => never }
  if (!execve) return
  const replace: typeof execve = (file, args = [], env) => {
    const [name = file, ...rest] = args
    const guarded = isThisNode(resolve(file), { path: undefined })
    return execve.call(process, file, guarded ? [name, ...preload(rest), ...rest] : args, env)
  }
  Object.defineProperty(process, 'execve', { value: replace, configurable: true, writable: true })
}
