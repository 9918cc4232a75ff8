import { createRequire, syncBuiltinESMExports } from 'node:module'
import { resolve } from 'node:path'
import type * as ChildProcess from 'node:child_process'
import { encodeEnvironment } from '@modelseal/core/environment'
import { isThisNode, pathIn } from './this-node.ts'

const require = createRequire(import.meta.url)

/**
 * Has every Node.js that the program starts begin with this package and with the environment of this process,
 * whatever `env`, `execArgv` and working directory it is given: `fork()`, `cluster.fork()`, and what starts the same
 * executable without a shell.
 */
export function guardChildren(): void {
  const child = require('node:child_process') as typeof ChildProcess
  guardStarting(child.ChildProcess.prototype as unknown as Starting)
  for (const name of ['spawnSync', 'execFileSync'] as const) {
    const original = child[name] as Synchronous
    ;(child as unknown as Record<typeof name, Synchronous>)[name] = (file, ...rest) => {
      // The arguments may be left out, or be null.
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
 * What this process was handed by the one that started it.
 *
 * @returns undefined where no guarded process started it
 */
export function handedEnvironment(): string | undefined {
  const handed = process.execArgv.find((argument) => argument.startsWith(CARRIER))
  return handed && Buffer.from(handed.slice(CARRIER.length), 'base64url').toString()
}

/** The CommonJS build, since `--require` needs no working directory and comes before every `--import`. */
export const FILE = require.resolve('@modelseal/register')

/**
 * An option that Node.js accepts with any text, in processes and threads, and that does nothing with this one: no
 * warning has such a code. Child processes pass it on among their own options.
 */
const CARRIER = '--disable-warning=modelseal:'

/** @param args those that the program gives; they may have come from `process.execArgv`, and begin with ours */
function preload(args: readonly string[]): string[] {
  const environment = Buffer.from(encodeEnvironment()).toString('base64url')
  const ours = ['--require', FILE, CARRIER + environment]
  return ours.every((argument, index) => args[index] === argument) ? [] : ours
}

type Synchronous = (file: string, ...rest: unknown[]) => unknown

interface Starting {
  spawn: (options: Start) => unknown
}

/** What the functions of `node:child_process` that return at once, and `node:cluster`, make of their arguments. */
interface Start {
  file: string
  /** The first is the name of the process. */
  args?: string[]
  envPairs?: readonly string[]
  cwd?: string
  /** Given by `fork()`: the Node.js to start. */
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

/** `process.execve()` has another program take the place of this one. */
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
