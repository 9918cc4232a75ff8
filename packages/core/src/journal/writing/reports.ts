import { publishJournal } from '../../events.ts'
import type { ModelSealError } from '../../errors.ts'

/** Journals that failed, since their last success. */
const failing = new Set<string>()
/** Those of which the process was warned. */
const warned = new Set<string>()

/**
 * Reports that a journal cannot be written. Every failure is published; the process is warned once.
 *
 * @param lost how many records were lost so far
 */
export function reportFailure(directory: string, error: ModelSealError, lost: number): void {
  failing.add(directory)
  publishJournal({ directory, lost, error: error.toJSON() })
  if (warned.has(directory)) return
  warned.add(directory)
  process.emitWarning(error.message, { type: 'ModelSealWarning', code: 'MODELSEAL_JOURNAL' })
}

/** Publishes that a journal can be written again. */
export function reportWritten(directory: string): void {
  if (failing.delete(directory)) publishJournal({ directory, lost: 0 })
}
