import { publishJournal } from '../../events.ts'
import type { ModelSealError } from '../../errors.ts'

/** Journals that failed, since their last success. */
const failing = new Set<string>()
/** Directories and contradictions of which the process was warned. */
const warned = new Set<string>()

/**
 * Reports that a journal cannot be written. Every failure is published; the process is warned once, unless the refusal of a load says it.
 *
 * @param lost how many records were lost so far
 * @param isThrown true if a load is refused for it
 */
export function reportFailure(directory: string, error: ModelSealError, lost: number, isThrown = false): void {
  failing.add(directory)
  publishJournal({ directory, lost, error: error.toJSON() })
  if (isThrown) warned.add(directory)
  else warnOnce(directory, error)
}

/** Reports once that settings of a journal contradict each other. Others of them count, so it is written all the same. */
export function reportContradiction(directory: string, error: ModelSealError): void {
  if (!warnOnce(error.message, error)) return
  publishJournal({ directory, lost: 0, error: error.toJSON() })
}

/** @returns whether it was not known yet */
function warnOnce(what: string, error: ModelSealError): boolean {
  if (warned.has(what)) return false
  warned.add(what)
  process.emitWarning(error.message, { type: 'ModelSealWarning', code: 'MODELSEAL_JOURNAL' })
  return true
}

/** Publishes that a journal can be written again. */
export function reportWritten(directory: string): void {
  if (failing.delete(directory)) publishJournal({ directory, lost: 0 })
}
