import { callback, listOf, required, text } from '../../kinds.ts'
import { snapshot, type Shape } from '../../snapshot.ts'
import type { OpenedModel } from '../verified-model.ts'
import { unfollow } from '../standing/live-models.ts'
import type { Standing } from '../standing/standing.ts'

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
export function keepRevocable<T extends object>(model: OpenedModel<unknown>, created: T, given: Revocable<T>): void {
  const { calls = [], asyncCalls = [], ends, release } = snapshot<Revocable<T>>(given, REVOCABLE, 'keepRevocable')
  const { standing } = model
  standing.check()
  if (!standing.isChangeable) return
  model.keepWatching(created)
  const use = { standing, running: 0, hasEnded: false }
  for (const name of ends) replace(created, name, (original) => ending(original, use))
  if (!standing.releases) return
  for (const name of calls) replace(created, name, (original) => counted(original, use))
  for (const name of asyncCalls) replace(created, name, (original) => countedAsync(original, use))
  standing.onRelease(releasing(new WeakRef(created), release, use))
}

const NAMES = listOf(text)
const REVOCABLE: Shape<Revocable<object>> = {
  calls: NAMES,
  asyncCalls: NAMES,
  ends: required(NAMES),
  release: required(callback),
}

interface Use {
  standing: Standing
  /** Calls in progress. */
  running: number
  hasEnded: boolean
  release?: () => void
}

type Method = (this: unknown, ...args: unknown[]) => unknown

function replace(created: object, name: string, by: (original: Method) => Method): void {
  const original: unknown = Reflect.get(created, name)
  if (typeof original !== 'function') return
  Object.defineProperty(created, name, { value: by(original as Method), writable: true, configurable: true })
}

/** The program releases it, so nobody else may. */
function ending(original: Method, use: Use): Method {
  return function (...args) {
    use.hasEnded = true
    unfollow(use.standing)
    return original.apply(this, args)
  }
}

function counted(original: Method, use: Use): Method {
  return function (...args) {
    use.standing.check()
    use.running++
    try {
      return original.apply(this, args)
    } finally {
      use.running--
      use.release?.()
    }
  }
}

function countedAsync(original: Method, use: Use): Method {
  return async function (...args) {
    use.standing.check()
    use.running++
    try {
      return await original.apply(this, args)
    } finally {
      use.running--
      use.release?.()
    }
  }
}

/** Must not keep alive what it releases. */
function releasing<T extends object>(created: WeakRef<T>, release: Revocable<T>['release'], use: Use): () => void {
  const end = () => {
    use.release = end
    const released = created.deref()
    if (use.running > 0 || use.hasEnded || !released) return
    use.hasEnded = true
    // Its failure changes nothing: every further call is refused.
    void Promise.resolve(released)
      .then(release)
      .catch(() => {})
  }
  return end
}
