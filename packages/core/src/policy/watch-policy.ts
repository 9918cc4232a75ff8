import { publishPolicyReload } from '../events.ts'
import { propertyOf } from '../any-realm.ts'
import { ModelSealError } from '../errors.ts'
import { callback } from '../kinds.ts'
import { knownOptions, type Shape } from '../snapshot.ts'
import { fileState, unchanged, type FileStates } from './reading/file-state.ts'
import type { CompiledPolicy, Policy } from './policy.ts'
import { loadCompiledPolicy, loadValidPolicy } from './load-policy.ts'

export interface WatchOptions {
  /** Called when a changed policy is in use. */
  onReload?: ((policy: Policy) => void) | undefined
  /** Called when a changed policy is not valid: the one before it stays in use. */
  onError?: ((error: ModelSealError) => void) | undefined
}

const OPTIONS: Shape<WatchOptions> = { onReload: callback, onError: callback }

/**
 * Reads a trust policy, and follows its files: each load looks whether one of them changed (the
 * policy, what it includes, keys, certificates), and is judged by the present version. A broken new
 * version is reported, and the one before it stays in use. Both are published on `POLICY_CHANNEL`.
 *
 * @param given path of the file; without one it is looked for
 * @throws {@link ModelSealError} as `loadPolicy`: the first version must be valid
 * @example
 * ```ts
 * const policy = await watchPolicy('trust-policy.yaml', { onError: (error) => log.error(error.message) })
 * const { session } = await loadVerifiedModel('models/vad', { policy })
 * ```
 */
export async function watchPolicy(given?: string | URL, options?: WatchOptions): Promise<WatchedPolicy> {
  const callbacks = knownOptions(options, OPTIONS, 'watchPolicy')
  return WatchedPolicy.of(await loadValidPolicy(given), callbacks)
}

/** Known by what it does, as a policy that was loaded is by what it has. */
export function isWatchedPolicy(value: unknown): value is WatchedPolicy {
  return typeof value === 'object' && value !== null && typeof propertyOf(value, 'current') === 'function'
}

/**
 * A policy that follows its files; made by {@link watchPolicy}, and good for any number of loads. It looks at its files when a load
 * asks, and holds nothing open between loads, so there is nothing to close.
 */
export class WatchedPolicy {
  readonly #options: WatchOptions
  #policy: CompiledPolicy
  /** Of the version that was last looked at, in use or not. */
  #seen: FileStates
  #reloading: Promise<void> | undefined

  private constructor(policy: CompiledPolicy, options: WatchOptions) {
    this.#policy = policy
    this.#seen = policy.files
    this.#options = options
  }

  /** @internal For {@link watchPolicy}. */
  static of(policy: CompiledPolicy, options: WatchOptions): WatchedPolicy {
    return new WatchedPolicy(policy, options)
  }

  /** The version that is in use now, after a look at the files. Never throws: the last valid version stays. */
  async current(): Promise<Policy> {
    this.#reloading ??= this.#reload().finally(() => (this.#reloading = undefined))
    await this.#reloading
    return this.#policy
  }

  async #reload(): Promise<void> {
    if (await unchanged(this.#seen)) return
    const { path } = this.#policy
    try {
      // As long as the policy itself cannot be read, its own state is what is waited for.
      this.#seen = new Map([...this.#seen, [path, await fileState(path)]])
      const { policy, problems } = await loadCompiledPolicy(path)
      this.#seen = policy.files
      if (problems[0]) throw problems[0]
      this.#policy = policy
    } catch (error) {
      if (!(error instanceof ModelSealError)) throw error
      publishPolicyReload({ path, error: error.toJSON() })
      this.#options.onError?.(error)
      return
    }
    publishPolicyReload({ path })
    this.#options.onReload?.(this.#policy)
  }
}
