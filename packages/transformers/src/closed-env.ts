import { AsyncLocalStorage } from 'node:async_hooks'
import { ModelSealError } from '@modelseal/core'
import { shown } from '@modelseal/core/adapter'

/** Settings in the `env` of Transformers.js that determine where it finds files. */
const FINDING_FILES = [
  'fetch',
  'customCache',
  'useCustomCache',
  'allowLocalModels',
  'allowRemoteModels',
  'localModelPath',
  'remoteHost',
  'remotePathTemplate',
  'useFS',
] as const

/** The settings in `env` during one load. */
export type ClosedSettings = Readonly<Record<(typeof FINDING_FILES)[number], unknown>>

/**
 * The settings of one load, stored in its async context. Promises that outlive the load, of which Transformers.js keeps a
 * hundred, keep this object alive, so {@link end} drops everything that belongs to the load.
 */
export class ClosedLoad {
  #settings: ClosedSettings

  constructor(settings: ClosedSettings) {
    this.#settings = settings
  }

  get settings(): ClosedSettings {
    return this.#settings
  }

  /** @param after settings for whatever is still running; must never be the settings outside of loads */
  end(after: ClosedSettings): void {
    this.#settings = after
  }
}

const current = new AsyncLocalStorage<ClosedLoad>()
const divided = new WeakSet()

/**
 * `env` is one object for the whole process. This divides it: inside {@link withClosedEnv}, including all
 * asynchronous calls, it has the settings of that load. Everywhere else, even at the same time, it is read and written
 * as before.
 *
 * @throws {@link ModelSealError} `INVALID_ARGUMENT` for an object whose settings cannot be divided
 */
export function divideEnv(env: object): void {
  if (divided.has(env)) return
  for (const name of FINDING_FILES) {
    const before = Object.getOwnPropertyDescriptor(env, name)
    if (!before?.configurable) throw notDivisible(name)
    Object.defineProperty(env, name, dividedProperty(name, before))
  }
  divided.add(env)
}

/**
 * Runs a load that sees only its own settings in `env`.
 *
 * @throws {@link ModelSealError} `INVALID_ARGUMENT` if a setting was redefined
 */
export function withClosedEnv<T>(env: object, closed: ClosedLoad, load: () => Promise<T>): Promise<T> {
  return current.run(closed, () => {
    for (const name of FINDING_FILES) {
      if (Reflect.get(env, name) !== closed.settings[name]) throw notDivisible(name)
    }
    return load()
  })
}

function dividedProperty(name: keyof ClosedSettings, before: PropertyDescriptor): PropertyDescriptor {
  const outside: { setting?: unknown } = Object.defineProperty({}, 'setting', before)
  return {
    enumerable: before.enumerable ?? true,
    configurable: true,
    get: () => {
      const load = current.getStore()
      return load ? load.settings[name] : outside.setting
    },
    set: (changed: unknown) => {
      outside.setting = changed
    },
  }
}

function notDivisible(name: string): ModelSealError {
  return new ModelSealError(
    'INVALID_ARGUMENT',
    `Cannot change the setting ${shown(name)} in the env of Transformers.js.`,
    {
      expected: 'the module @huggingface/transformers, version 4, with its own env',
      hint: 'Without this setting, Transformers.js could read unverified files.',
    },
  )
}
