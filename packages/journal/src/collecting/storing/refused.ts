import { ModelSealError, type ErrorDetails } from '@modelseal/core/errors'

/** What a host signed that contradicts what was collected from it. What anyone could have made up is not evidence. */
interface Evidence {
  /**
   * `fork`: two checkpoints of the same size with different roots, which only the key can have signed. `rollback`: an older checkpoint.
   * `other`: a commit with a signed checkpoint that does not fit, whose unsigned parts someone else may have changed.
   */
  kind: 'fork' | 'rollback' | 'other'
  /** What is stored. */
  stored: unknown
  /** What the host sent instead, with the signature of its key. */
  sent: unknown
}

type RefusalCode = 'JOURNAL_ROLLBACK' | 'JOURNAL_INCONSISTENT' | 'JOURNAL_FOREIGN' | 'JOURNAL_INVALID'

/** A request that a collector refuses because of what it says. */
export class Refused extends ModelSealError {
  readonly evidence: Evidence | undefined

  constructor(code: RefusalCode, reason: string, details: ErrorDetails & { evidence?: Evidence } = {}) {
    const { evidence, ...others } = details
    super(code, `Cannot collect the journal: ${reason}.`, others)
    this.evidence = evidence
  }

  /** Not as other errors, of which every copy of the class counts. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === 'object' && value !== null && Object.prototype.isPrototypeOf.call(Refused.prototype, value)
  }
}
