import { enabledJournals } from '../../journal/enabled.ts'
import type { JudgedVerdict } from '../../journal/recording/record-verdict.ts'
import type { JournalSettings } from '../../journal/writing/settings.ts'
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
 * Records a model that a program hands to a runtime from memory. When it is no longer in use is not known.
 *
 * @throws {@link ModelSealError} `JOURNAL_FAILED`, `JOURNAL_INVALID` if a journal that is required cannot be written
 */
export async function recordInMemory(verdict: Verdict): Promise<void> {
  const judged = recorded([{ verdict }])
  if (judged.length === 0) return
  const { recordLoaded } = await recording()
  await recordLoaded(judged)
}

/**
 * Records that a program loads a refused model all the same. Nobody waits for it.
 *
 * @param refused the verdict of the refusal
 */
export function recordTolerated(verdict: Verdict, refused: Verdict | undefined): void {
  if (refused) noteJournals(verdict, journals.get(refused) ?? [])
  // The refusal was recorded, or it was not by this policy.
  void recordInMemory(verdict).catch(() => {})
}

/** Those that a journal records. */
export function recorded(judged: readonly Omit<JudgedVerdict, 'journals'>[]): JudgedVerdict[] {
  return judged.flatMap((one) => {
    const all = journalsOf(one.verdict)
    return all.length > 0 ? [{ ...one, journals: all }] : []
  })
}
