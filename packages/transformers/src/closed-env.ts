import { AsyncLocalStorage } from 'node:async_hooks'
import { ModelSealError, shown } from '@modelseal/core'

/** Settings of Transformers.js' `env` by which it finds files. */
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

/** What `env` says inside of one load. */
export type ClosedSettings = Readonly<Record<(typeof FINDING_FILES)[number], unknown>>

/**
 * One load, as its async context leads to it. Promises that outlive the load, of which Transformers.js remembers a hundred, lead
 * here as long as they live: so {@link end} leaves nothing here that belongs to the load.
 */
export class ClosedLoad {
  #settings: ClosedSettings

  constructor(settings: ClosedSettings) {
    this.#settings = settings
  }

  get settings(): ClosedSettings {
    return this.#settings
  }

  /** @param after what is still at it finds from now on: never what `env` says outside of loads */
  end(after: ClosedSettings): void {
    this.#settings = after
  }
}

const current = new AsyncLocalStorage<ClosedLoad>()
const divided = new WeakSet()

/**
 * `env` is one object for the whole process. This divides it: inside of {@link withClosedEnv},
 * across everything asynchronous, it says what that load was given; everywhere else it is read and
 * written as before, at the same time, too.
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
 * Runs a load for which `env` has only its settings.
 *
 * @throws {@link ModelSealError} `INVALID_ARGUMENT` where somebody defined a setting anew
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
    `The setting ${shown(name)} of Transformers.js' env is not changeable.`,
    {
      expected: 'the module @huggingface/transformers, version 4, with its own env',
      hint: 'Without it Transformers.js cannot be kept from reading what nobody verified.',
    },
  )
}
