import { isBranded, reasonOf } from '../../any-realm.ts'
import { shown } from '../../errors.ts'

/** What a program may want to know of an operation that went well. */
export interface HashingWarning {
  /** Stable. */
  code: 'MODELSEAL_NO_THREADS'
  /** A sentence, and what to do. */
  message: string
}

const BRAND = Symbol.for('modelseal.hashing.no-threads')

/** No thread can be had, so nobody has begun the task. The calling thread does it instead; this error leads to no refusal. */
export class NoThreads extends Error {
  readonly [BRAND] = true

  constructor(cause: unknown) {
    super('No hashing thread can be started.', { cause })
  }

  get warning(): HashingWarning {
    return {
      code: 'MODELSEAL_NO_THREADS',
      message:
        `Cannot start hashing threads: ${shown(reasonOf(this.cause)).slice(1, -1)}. Models are hashed on the calling thread instead, in short turns, ` +
        'which is just as safe, but slower. To allow worker threads, see docs/bundlers.md.',
    }
  }
}

/** True for those of the ESM and of the CommonJS build alike: they share threads. */
export function isNoThreads(error: unknown): error is NoThreads {
  return isBranded(error, BRAND)
}

// The ESM and the CommonJS build of this module warn once between them.
const WARNED = Symbol.for('modelseal.hashing.warned')

/** Warns the process, once. */
export function warnOnce({ code, message }: HashingWarning): void {
  const registry = globalThis as { [WARNED]?: boolean }
  if (registry[WARNED]) return
  registry[WARNED] = true
  process.emitWarning(message, { type: 'ModelSealWarning', code })
}
