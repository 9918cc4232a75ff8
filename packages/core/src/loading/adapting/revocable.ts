import { callback, listOf, required, text } from '../../kinds.ts'
import { snapshot, type Shape } from '../../snapshot.ts'
import type { JudgedMemory } from '../operations/judged-memory.ts'
import type { ToleratedModel } from '../operations/tolerated-model.ts'
import type { Releasable, Standing } from '../standing/standing.ts'
import type { OpenedModel } from '../verified-model.ts'

/** How a runtime uses and releases what it created. */
export interface Revocable<T> {
  /** Names of the methods that use it. Those that do not exist are ignored. */
  calls?: readonly string[] | undefined
  /** The same, for methods that return promises. */
  asyncCalls?: readonly string[] | undefined
  /** Names of the methods with which a program releases it. */
  ends: readonly string[]
  /** Releases it. */
  release: (created: T) => unknown
  /** Objects inside it that programs also use directly. They have methods of the same names. */
  parts?: ((created: T) => readonly object[]) | undefined
}

/**
 * Keeps watching a model after it is closed, for as long as what a runtime created from it is in use. If the model is revoked and the
 * caller wants that (`onRevoked: 'release'`), it is released as soon as calls in progress have ended, and further calls fail with
 * `MODEL_REVOKED`.
 *
 * @throws {@link ModelSealError} `MODEL_REVOKED` if the model was revoked while the runtime loaded it; the caller releases what it created
 * @example
 * ```ts
 * const session = await runtime.load(model.gathered)
 * keepRevocable(model, session, { asyncCalls: ['run'], ends: ['release'], release: (created) => created.release() })
 * await model.close()
 * ```
 */
export function keepRevocable<T extends object>(
  model: OpenedModel<unknown> | JudgedMemory | ToleratedModel,
  created: T,
  given: Revocable<T>,
): void {
  const {
    calls = [],
    asyncCalls = [],
    ends,
    release,
    parts,
  } = snapshot<Revocable<T>>(given, REVOCABLE, 'keepRevocable')
  const { standing } = model
  standing.check()
  if (!standing.isChangeable && !standing.isRecorded) return
  model.keepWatching(created)
  const use = new Use(created, release as (created: object) => unknown)
  standing.begin(use)
  for (const name of ends) replace(created, name, (original) => ending(original, standing, use))
  if (!standing.releases) return
  for (const used of [created, ...(parts?.(created) ?? [])]) {
    for (const name of calls) replace(used, name, (original) => counted(original, standing))
    for (const name of asyncCalls) replace(used, name, (original) => countedAsync(original, standing))
  }
}

const NAMES = listOf(text)
const REVOCABLE: Shape<Revocable<object>> = {
  calls: NAMES,
  asyncCalls: NAMES,
  ends: required(NAMES),
  release: required(callback),
  parts: callback,
}

/** What a runtime created. Must not keep it alive. */
class Use implements Releasable {
  #hasEnded = false
  readonly #created: WeakRef<object>
  readonly #release: (created: object) => unknown

  constructor(created: object, release: (created: object) => unknown) {
    this.#created = new WeakRef(created)
    this.#release = release
  }

  /** The program releases it, so nobody else may. */
  end(): void {
    this.#hasEnded = true
  }

  release(): void {
    const created = this.#created.deref()
    if (this.#hasEnded || !created) return
    this.#hasEnded = true
    // Its failure changes nothing: every further call is refused.
    void Promise.resolve(created)
      .then(this.#release)
      .catch(() => {})
  }
}

type Method = (this: unknown, ...args: unknown[]) => unknown

function replace(created: object, name: string, by: (original: Method) => Method): void {
  const original: unknown = Reflect.get(created, name)
  if (typeof original !== 'function') return
  Object.defineProperty(created, name, { value: by(original as Method), writable: true, configurable: true })
}

function ending(original: Method, standing: Standing, use: Use): Method {
  return function (...args) {
    use.end()
    standing.end(use)
    return original.apply(this, args)
  }
}

function counted(original: Method, { calls }: Standing): Method {
  return function (...args) {
    return calls.run(() => original.apply(this, args))
  }
}

function countedAsync(original: Method, { calls }: Standing): Method {
  return async function (...args) {
    return calls.runAsync(() => original.apply(this, args))
  }
}
