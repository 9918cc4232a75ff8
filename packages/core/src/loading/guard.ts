import type { ModelSource } from '../source/model-source.ts'
import type { Gather } from './model-reader.ts'
import type { LoadRequest } from './load.ts'
import type { OpenOptions } from './open-options.ts'
import type { OpenedModel } from './verified-model.ts'

/** Opens a model like `openVerifiedModel`. Adapters get this function from the code that judges their loads. */
export type Opening = <T>(
  source: string | ModelSource,
  options: OpenOptions,
  gather: Gather<T>,
) => Promise<OpenedModel<T>>

/**
 * Lets a second policy judge every verified load of a process, so that the runtime gets only what both policies accept.
 * The guard judges with its own copy of this package; a load only tells it what to load.
 */
export interface Guard {
  /** Like `openVerifiedModel`, for options that were already read and a source as returned by `modelLocation`. */
  open<T>(load: LoadRequest<T>): Promise<OpenedModel<T>>
  /** Loads a model into a runtime. The adapters of this name pass on their arguments. */
  readonly adapters: Readonly<Record<string, (load: never) => Promise<unknown>>>
}

/** The number changes with the interface, so that different versions of this package stay apart. */
const INSTALLED = Symbol.for('modelseal.guard.3')

/** Shared by the ESM and CommonJS builds and by all copies of this package in a thread. */
export function installedGuard(): Guard | undefined {
  return (globalThis as { [INSTALLED]?: Guard })[INSTALLED]
}

/** Installs the guard of this thread permanently. */
export function installGuard(guard: Guard): void {
  // All attributes are given, because an existing property would otherwise keep its own.
  const value = Object.freeze(guard)
  Object.defineProperty(globalThis, INSTALLED, { value, writable: false, enumerable: false, configurable: false })
}
