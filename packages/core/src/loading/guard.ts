import type { ModelSource } from '../source/model-source.ts'
import type { Gather } from './model-reader.ts'
import type { LoadRequest } from './load.ts'
import type { OpenOptions } from './open-options.ts'
import type { OpenedModel } from './verified-model.ts'

/** Opens a model, as `openVerifiedModel` does: what an adapter is given by whoever judges its loads. */
export type Opening = <T>(
  source: string | ModelSource,
  options: OpenOptions,
  gather: Gather<T>,
) => Promise<OpenedModel<T>>

/**
 * Makes a second policy judge every verified load of a process, so that the runtime gets only what both policies accept. The guard
 * judges with its own copy of this package; a load only tells it what to load.
 */
export interface Guard {
  /** As `openVerifiedModel`, for options that were read and a source as `modelLocation` gives it. */
  open<T>(load: LoadRequest<T>): Promise<OpenedModel<T>>
  /** Loads a model into a runtime: for the adapters of this name, which hand over what they were called with. */
  readonly adapters: Readonly<Record<string, (load: never) => Promise<unknown>>>
}

/** The number changes with this interface, so that different versions of this package do not misunderstand each other. */
const INSTALLED = Symbol.for('modelseal.guard.2')

/** Shared by the ESM and the CommonJS build, and by all copies of this package in a thread. */
export function installedGuard(): Guard | undefined {
  return (globalThis as { [INSTALLED]?: Guard })[INSTALLED]
}

/** Installs the guard of this thread, for good. */
export function installGuard(guard: Guard): void {
  // In full: a property that somebody has made before would otherwise stay as changeable as it is.
  const value = Object.freeze(guard)
  Object.defineProperty(globalThis, INSTALLED, { value, writable: false, enumerable: false, configurable: false })
}
