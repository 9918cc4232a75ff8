import { publishPolicyReload } from '../../events.ts'
import { propertyOf } from '../../any-realm.ts'
import { ModelSealError } from '../../errors.ts'
import { callback } from '../../kinds.ts'
import { snapshot, type Shape } from '../../snapshot.ts'
import { policyChanged } from './changes.ts'
import { fileState, unchanged, type FileStates } from '../reading/file-state.ts'
import type { CompiledPolicy, Policy } from '../policy.ts'
import { loadCompiledPolicy, loadValidPolicy } from '../load-policy.ts'

export interface WatchOptions {
  /** Called after a changed policy has come into use. */
  onReload?: ((policy: Policy) => void) | undefined
  /** Called if a changed policy is not valid; the previous version stays in use. */
  onError?: ((error: ModelSealError) => void) | undefined
}

const OPTIONS: Shape<WatchOptions> = { onReload: callback, onError: callback }

/**
 * Reads a trust policy and follows its files: each load checks whether any of them changed (the
 * policy, its includes, keys, certificates) and is judged by the current version. An invalid new
 * version is reported, and the previous one stays in use. Both are published on `POLICY_CHANNEL`.
 *
 * @param given path of the policy file; by default, it is searched for
 * @throws {@link ModelSealError} as `loadPolicy`: the first version must be valid
 * @example
 * ```ts
 * const policy = await watchPolicy('trust-policy.yaml', { onError: (error) => log.error(error.message) })
 * const { session } = await loadVerifiedModel('models/vad', { policy })
 * ```
 */
export async function watchPolicy(given?: string | URL, options?: WatchOptions): Promise<WatchedPolicy> {
  const callbacks = snapshot(options, OPTIONS, 'watchPolicy')
  return WatchedPolicy.of(await loadValidPolicy(given), callbacks)
}

/** Recognized by its method, so that a policy from another copy of this package counts, too. */
export function isWatchedPolicy(value: unknown): value is WatchedPolicy {
  return typeof value === 'object' && value !== null && typeof propertyOf(value, 'current') === 'function'
}

/**
 * A policy that follows its files, created by {@link watchPolicy}. Use it for any number of loads. It checks its files when
 * a model is loaded, and every two seconds while one is in use that was loaded by it. It keeps nothing open, so there is nothing to close.
 */
export class WatchedPolicy {
  readonly #options: WatchOptions
  #policy: CompiledPolicy
  /** The file states of the version last read, whether in use or not. */
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

  /** Checks the files and returns the version in use. Never throws: the last valid version stays in use. */
  async current(): Promise<Policy> {
    // One that is under way may have looked at the files before their last change.
    await this.#reloading
    this.#reloading ??= this.#reload().finally(() => (this.#reloading = undefined))
    await this.#reloading
    return this.#policy
  }

  async #reload(): Promise<void> {
    if (await unchanged(this.#seen)) return
    const { path } = this.#policy
    try {
      // While the policy file cannot be read, wait for a change of that file.
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
    policyChanged()
    const { file: digest, includes } = this.#policy.texts
    publishPolicyReload({ path, digest, ...(includes.length > 0 && { includes }) })
    this.#options.onReload?.(this.#policy)
  }
}
