import { ModelSealError, shown, type ErrorCode } from '../../errors.ts'
import { MOST_PROBLEMS } from '../../manifest/mismatch.ts'
import { isWithin } from '../../manifest/names.ts'
import type { Rule } from '../../policy/rule.ts'
import type { Judging } from './judging.ts'
import { revokerOf } from '../files/revoked-files.ts'
import { refused } from './verdict-steps.ts'

/** Codes of refusals when a loader gets files. They come from all policies that accepted a signature. */
const OF_FILES: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'FILE_MISMATCH',
  'FILE_MISSING',
  'FILE_NOT_SIGNED',
  'ISOLATION_REFUSED',
])

/** Keeps track of which policy refuses a load. */
export class Responsibility {
  readonly #judgings: readonly [Judging, ...Judging[]]
  readonly #responsible = new WeakMap<object, readonly Judging[]>()

  constructor(judgings: readonly [Judging, ...Judging[]]) {
    this.#judgings = judgings
  }

  /** Takes a step on behalf of these policies. */
  async of<T>(judgings: readonly Judging[], step: () => Promise<T>): Promise<T> {
    try {
      return await step()
    } catch (error) {
      throw this.#noted(judgings, error)
    }
  }

  /** The same for a synchronous step. */
  ofNow<T>(judgings: readonly Judging[], step: () => T): T {
    try {
      return step()
    } catch (error) {
      throw this.#noted(judgings, error)
    }
  }

  /** The policies on whose behalf an error refuses the load; the first one if it concerns none of them. */
  for(error: unknown): readonly Judging[] {
    return this.#known(error) ?? [this.#judgings[0]]
  }

  /** The refusal with its verdict and, if there are several policies, the names of those that refuse. */
  refused(cause: unknown): ModelSealError {
    const known = this.#known(cause)
    const [first, ...others] = known ?? []
    if (known && this.#judgings.length > 1 && cause instanceof ModelSealError)
      cause.message += ` Refused by ${known.map(policyOf).join(' and ')}.`
    for (const other of others) refused(other.verdict, cause)
    return refused((first ?? this.#judgings[0]).verdict, cause)
  }

  #known(error: unknown): readonly Judging[] | undefined {
    if (typeof error !== 'object' || error === null) return undefined
    const revoker = revokerOf(error)
    const revoking = this.#judgings.filter((judging) => revoker && judging.knownRevocations === revoker)
    if (revoking.length > 0) return revoking
    const noted = this.#responsible.get(error)
    if (noted || !(error instanceof ModelSealError) || !OF_FILES.has(error.code)) return noted
    const accepting = this.#judgings.filter(({ accepted }) => accepted)
    return accepting.length > 0 ? limitedTo(accepting, error) : undefined
  }

  #noted(judgings: readonly Judging[], error: unknown): unknown {
    if (typeof error === 'object' && error !== null && !this.#responsible.has(error))
      this.#responsible.set(error, limitedTo(judgings, error))
    return error
  }
}

/** A rule does not refuse a model for lacking something that it does not require. */
function limitedTo(judgings: readonly Judging[], error: object): readonly Judging[] {
  if (!(error instanceof ModelSealError)) return judgings
  const asking = judgings.filter(({ accepted }) => {
    if (error.code === 'FILE_UNSIGNED') return accepted && minds(accepted.rule, error)
    if (error.code === 'ISOLATION_REFUSED') return accepted?.rule.require.isolation !== undefined
    return true
  })
  return asking.length > 0 ? asking : judgings
}

/** Whether a rule refuses any of these unsigned files. */
function minds({ require: { files, unsigned } }: Rule, { problems = [] }: ModelSealError): boolean {
  if (files === 'ignore-unsigned') return false
  // Errors list at most this many.
  if (problems.length === 0 || problems.length >= MOST_PROBLEMS) return true
  return problems.some(({ file }) => !unsigned || !isWithin(file, unsigned))
}

function policyOf({ by, verdict }: Judging): string {
  const whose = by === undefined ? 'the policy of the program' : `the policy of ${by}`
  return verdict.policy === undefined ? whose : `${whose}, ${shown(verdict.policy)}`
}
