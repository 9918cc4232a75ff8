import { enabledJournals } from '../../journal/enabled.ts'
import type { JudgedVerdict } from '../../journal/recording/record-verdict.ts'
import type { RecordedLoad } from '../../journal/recording/recorded-load.ts'
import type { JournalSettings } from '../../journal/writing/settings/settings.ts'
import type { Verdict } from '../../results.ts'

/** The journals of the policy by which a verdict was reached. */
const journals = new WeakMap<Verdict, readonly JournalSettings[]>()

/** Remembers where the policy has a verdict recorded. */
export function noteJournals(verdict: Verdict, ofPolicy: readonly JournalSettings[]): void {
  if (ofPolicy.length > 0) journals.set(verdict, ofPolicy)
}

/** The journals that record a verdict: those of its policy, and those that the program or the environment names. */
function journalsOf(verdict: Verdict): readonly JournalSettings[] {
  return [...enabledJournals(), ...(journals.get(verdict) ?? [])]
}

/** The code that records is loaded only if a journal is written. */
export const recording = () => import('../../journal/recording/record-verdict.ts')

/** Records that nothing was handed out. Does not throw. */
export async function recordRefusals(...verdicts: readonly Verdict[]): Promise<void> {
  const judged = recorded(verdicts.map((verdict) => ({ verdict })))
  if (judged.length === 0) return
  const { recordRefused } = await recording()
  await recordRefused(judged)
}

/**
 * Records a model that a program hands to a runtime without having it opened: from memory, or refused.
 *
 * @returns the load, whose end must be reported; undefined without a journal
 * @throws {@link ModelSealError} `JOURNAL_FAILED`, `JOURNAL_INVALID` if a journal that is required cannot be written
 */
export async function recordUnopened(verdict: Verdict): Promise<RecordedLoad | undefined> {
  const judged = recorded([{ verdict }])
  if (judged.length === 0) return undefined
  const { recordLoaded } = await recording()
  return recordLoaded(judged)
}

/** Has a verdict recorded where another one was. */
export function noteSameJournals(verdict: Verdict, other: Verdict): void {
  noteJournals(verdict, journals.get(other) ?? [])
}

/** Those that a journal records. */
export function recorded(judged: readonly Omit<JudgedVerdict, 'journals'>[]): JudgedVerdict[] {
  return judged.flatMap((one) => {
    const all = journalsOf(one.verdict)
    return all.length > 0 ? [{ ...one, journals: all }] : []
  })
}
