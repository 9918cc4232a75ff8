import { ModelSealError, type ErrorDetails } from '@modelseal/core/errors'

/** What a host signed or sent that contradicts what was collected from it. */
interface Evidence {
  /** What is stored. */
  stored: unknown
  /** What the host sent instead. */
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
