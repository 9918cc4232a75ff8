import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { isAbsolute, resolve } from 'node:path'
import { absolutePath, isFileUrlText, withoutDots, workingDirectory, workingDirectoryMissing } from './absolute-path.ts'
import { ModelSealError, shown } from './errors.ts'

export { absolutePath } from './absolute-path.ts'

/**
 * Every environment variable that affects what is trusted. A `path` is stored as an absolute path, any other value unchanged.
 *
 * To add a variable, add its name here and read it with {@link variable}. It is then fixed, inherited by threads and
 * handed to child processes like the others. Nothing else reads `process.env` for a decision about trust. Secrets
 * do not belong here: the process list shows what child processes are handed.
 */
const VARIABLES = {
  MODELSEAL_POLICY: 'path',
  MODELSEAL_POLICY_OWNER: 'text',
  MODELSEAL_MODE: 'text',
  MODELSEAL_ISOLATION: 'text',
  MODELSEAL_ON_REVOKED: 'text',
  MODELSEAL_CACHE: 'path',
  MODELSEAL_JOURNAL: 'path',
  MODELSEAL_SERVICE: 'text',
  XDG_CACHE_HOME: 'text',
  XDG_RUNTIME_DIR: 'text',
  LOCALAPPDATA: 'text',
} as const

export type Variable = keyof typeof VARIABLES

/** The only values of some variables. */
const CHOICES = {
  MODELSEAL_MODE: ['enforce', 'audit'],
  MODELSEAL_ISOLATION: ['memory', 'copy', 'in-place', 'auto'],
  MODELSEAL_ON_REVOKED: ['release', 'exit'],
} as const satisfies Partial<Record<Variable, readonly string[]>>

/** The environment of a thread: an object without a prototype, which never changes. */
export interface Environment {
  /** True if it was fixed when the process started. Variables of threads and child processes then have no effect. */
  readonly fixed: boolean
  /** Absolute path of the directory in which the search for a policy begins; undefined if the working directory was deleted. */
  readonly directory: string | undefined
  /** Absolute path of the user's home directory; undefined if the user has none. */
  readonly home: string | undefined
  /** Absolute path of the policy that was found when the environment was fixed; null if none was found, undefined without a search. */
  readonly policy?: string | null | undefined
  /** True in a thread that cannot know whether the process was started with `MODELSEAL_POLICY`, so it must not search for a policy. */
  readonly incomplete?: boolean | undefined
  /** Only variables that are set and not empty. */
  readonly variables: Readonly<Partial<Record<Variable, string>>>
}

/**
 * The environment that currently applies to this thread. If none was fixed, it consists of the variables of the thread and,
 * for each one that is missing, the variable that the parent had when it started the thread. If the parent had not imported
 * this module, the thread takes only `MODELSEAL_POLICY`, as it was when the process started.
 *
 * @throws {@link ModelSealError} `INVALID_ARGUMENT` for a relative path if the working directory was deleted
 */
export function environment(): Environment {
  return threadState()[FIXED] ?? readEnvironment()
}

/**
 * The value of one variable in {@link environment}; undefined if it is not set or empty.
 *
 * @throws {@link ModelSealError} as {@link environment}
 */
export function variable(name: Variable): string | undefined {
  return environment().variables[name]
}

/**
 * Like {@link variable}, for a variable that can have only certain values.
 *
 * @throws {@link ModelSealError} as {@link environment}; `INVALID_ARGUMENT` for any other value
 */
export function choiceIn<N extends keyof typeof CHOICES>(name: N): (typeof CHOICES)[N][number] | undefined {
  const given = variable(name)
  const choices: readonly (typeof CHOICES)[N][number][] = CHOICES[name]
  const choice = choices.find((choice) => choice === given)
  if (given === undefined || choice !== undefined) return choice
  throw new ModelSealError('INVALID_ARGUMENT', `Invalid value for the environment variable ${name}.`, {
    expected: choices.join(' or '),
    found: shown(given),
  })
}

/**
 * Fixes the environment of this thread, so that later changes to `process.env` have no effect. The environment of the thread
 * that started this one is used if it is fixed; otherwise the one that was handed over, or the current one.
 *
 * @param handed the result of {@link encodeEnvironment} in the process that started this one
 * @param search finds the policy if there was no search before, as `policyAtStart` does
 * @throws {@link ModelSealError} as {@link environment}; `INVALID_ARGUMENT` if `handed` is malformed
 */
export function fixEnvironment(
  handed?: string,
  search?: (environment: Environment) => Environment['policy'],
): Environment {
  const state = threadState()
  if (!state[FIXED]) {
    const given = handed === undefined ? readEnvironment() : decode(handed)
    if (!given) throw unreadable(handed)
    define(
      FIXED,
      frozen({ ...given, fixed: true, policy: given.policy === undefined ? search?.(given) : given.policy }),
    )
  }
  return environment()
}

/** The current environment as one line of text, for {@link fixEnvironment} in another process. */
export function encodeEnvironment(): string {
  return JSON.stringify(environment())
}

/**
 * Makes every thread that this one starts from now on inherit the environment, whatever `env` it is given. This happens when
 * the core is imported, so that threads inherit the environment even before the first load.
 */
export function handToThreads(): void {
  threadState()
  // Node.js calls the getter whenever it starts a thread, so the thread inherits the environment of that moment.
  process.getBuiltinModule('node:worker_threads').setEnvironmentData(DATA, {
    get text() {
      try {
        return encodeEnvironment()
      } catch {
        return undefined
      }
    },
  })
}

/** Name of the environment data (`node:worker_threads`) that threads inherit. */
const DATA = 'modelseal.environment'
// Shared by the ESM and the CommonJS build of this module.
const FIXED = Symbol.for('modelseal.environment.fixed')
const INHERITED = Symbol.for('modelseal.environment.inherited')

interface ThreadState {
  [FIXED]?: Environment
  [INHERITED]?: Environment | undefined
}

function threadState(): ThreadState {
  const state = globalThis as ThreadState
  if (!Object.hasOwn(state, INHERITED)) {
    const { getEnvironmentData, isMainThread } = process.getBuiltinModule('node:worker_threads')
    const inherited = isMainThread ? undefined : (decode(textIn(getEnvironmentData(DATA))) ?? environmentAtStart())
    define(INHERITED, inherited)
    if (inherited?.fixed) define(FIXED, inherited)
    handToThreads()
  }
  return state
}

/**
 * For a thread whose parent did not import this module and therefore passed nothing on. Uses only the policy: the program may have
 * removed another variable since, and without those the thread trusts less, never more.
 */
function environmentAtStart(): Environment {
  const place = { fixed: false, directory: workingDirectory(), home: homeDirectory() }
  try {
    const policy = readFileSync(startOf('self'), 'utf8')
      .split('\0')
      .find((line) => line.startsWith('MODELSEAL_POLICY='))
    const given = policy === undefined ? {} : { MODELSEAL_POLICY: policy.slice(policy.indexOf('=') + 1) }
    return frozen({ ...place, variables: variablesIn(given) })
  } catch (error) {
    if (error instanceof ModelSealError) throw error
    // A thread without its own variables has a copy of all, including PATH; variables chosen individually rarely include it.
    const isCopy = Object.keys(process.env).some((name) => name.toUpperCase() === 'PATH')
    return frozen({ ...place, incomplete: !isCopy, variables: {} })
  }
}

/** proc(5). A function, because file tracers would follow a literal path in a call of `node:fs`. */
function startOf(process: string): string {
  return `/proc/${process}/environ`
}

function define(name: symbol, value: Environment | undefined): void {
  Object.defineProperty(globalThis, name, { value })
}

function textIn(data: unknown): string | undefined {
  if (typeof data !== 'object' || data === null) return undefined
  const text: unknown = Object.getOwnPropertyDescriptor(data, 'text')?.value
  return typeof text === 'string' ? text : undefined
}

function readEnvironment(): Environment {
  const inherited = (globalThis as ThreadState)[INHERITED]
  const variables = { ...inherited?.variables, ...variablesIn(process.env) }
  const incomplete = inherited?.incomplete && variables.MODELSEAL_POLICY === undefined
  return frozen({ fixed: false, directory: workingDirectory(), home: homeDirectory(), incomplete, variables })
}

/** The variables that are set and not empty. */
function variablesIn(env: NodeJS.ProcessEnv): Environment['variables'] {
  return Object.fromEntries(
    (Object.keys(VARIABLES) as Variable[]).flatMap((name) => {
      const value = ownText(env, name)
      if (!value) return []
      return [[name, VARIABLES[name] === 'path' ? absolute(name, value) : value]]
    }),
  )
}

function unreadable(handed: string | undefined): ModelSealError {
  return new ModelSealError('INVALID_ARGUMENT', 'Cannot read the environment that the parent process passed on.', {
    found: handed && shown(handed),
    hint: 'Use the same version of modelseal in the process and its parent.',
  })
}

/** @returns undefined for text that no thread or process of this package wrote */
function decode(text: string | undefined): Environment | undefined {
  if (text === undefined) return undefined
  try {
    const given = JSON.parse(text) as object
    const variables = (Object.getOwnPropertyDescriptor(given, 'variables')?.value ?? {}) as object
    return frozen({
      fixed: Object.getOwnPropertyDescriptor(given, 'fixed')?.value === true,
      directory: ownText(given, 'directory'),
      home: ownText(given, 'home'),
      incomplete: Object.getOwnPropertyDescriptor(given, 'incomplete')?.value === true,
      policy: Object.getOwnPropertyDescriptor(given, 'policy')?.value === null ? null : ownText(given, 'policy'),
      variables: Object.fromEntries(
        (Object.keys(VARIABLES) as Variable[]).flatMap((name) => {
          const value = ownText(variables, name)
          return value ? [[name, value]] : []
        }),
      ),
    })
  } catch {
    return undefined
  }
}

function frozen({ variables, ...rest }: Environment): Environment {
  return Object.freeze({ __proto__: null, ...rest, variables: Object.freeze({ __proto__: null, ...variables }) })
}

function ownText(object: object, name: string): string | undefined {
  const value: unknown = Object.hasOwn(object, name) ? (object as Record<string, unknown>)[name] : undefined
  return typeof value === 'string' ? value : undefined
}

function absolute(name: Variable, path: string): string {
  if (isFileUrlText(path)) return absolutePath(path)
  const directory = workingDirectory()
  if (directory === undefined && !isAbsolute(path)) throw workingDirectoryMissing(name)
  return withoutDots(path, resolve(path))
}

function homeDirectory(): string | undefined {
  try {
    // A relative path would change its meaning with each chdir(). Not isAbsolute(homedir()): `@vercel/nft` would evaluate it to the
    // home directory of the user who traces a program, and collect all of it.
    return [homedir()].find((home) => isAbsolute(home))
  } catch {
    // There is neither HOME nor an entry in the user database.
    return undefined
  }
}
