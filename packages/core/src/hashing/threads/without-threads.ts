import { isBranded, reasonOf } from '../../any-realm.ts'
import { shown } from '../../errors.ts'

/** A problem that a program may want to know about although the operation succeeded. */
export interface HashingWarning {
  /** Stable across releases. */
  code: 'MODELSEAL_NO_THREADS'
  /** What happened and what to do. */
  message: string
}

const BRAND = Symbol.for('modelseal.hashing.no-threads')

/** No thread can be started, so the task has not begun. The calling thread does it instead; this error refuses nothing. */
export class NoThreads extends Error {
  readonly [BRAND] = true

  constructor(cause: unknown) {
    super('Cannot start a hashing thread.', { cause })
  }

  get warning(): HashingWarning {
    return {
      code: 'MODELSEAL_NO_THREADS',
      message:
        `Cannot start hashing threads: ${shown(reasonOf(this.cause)).slice(1, -1)}. Models are hashed on the calling thread instead, in short turns. ` +
        'This is just as safe, but slower. To allow worker threads, see docs/how-to/bundlers.md.',
    }
  }
}

/** Also recognizes errors of the other build (ESM or CommonJS), because both share threads. */
export function isNoThreads(error: unknown): error is NoThreads {
  return isBranded(error, BRAND)
}

// Shared by the ESM and the CommonJS build, so that only one of them warns.
const WARNED = Symbol.for('modelseal.hashing.warned')

/** Emits the warning once per process. */
export function warnOnce({ code, message }: HashingWarning): void {
  const registry = globalThis as { [WARNED]?: boolean }
  if (registry[WARNED]) return
  registry[WARNED] = true
  process.emitWarning(message, { type: 'ModelSealWarning', code })
}
