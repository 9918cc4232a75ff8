import { canonicalJson } from '../../schema/canonical-json.ts'
import * as s from '../../schema/define.ts'
import { firstFault } from './fault.ts'
import { LONGEST_TEXT, timeSchema } from './record.ts'

/** Longer than any `journal.json`. */
export const MAX_JOURNAL_FILE = 16 * 1024

const journalSchema = s.strictObject({
  format: s.literal(1),
  id: s.string().regex(/^[0-9a-f]{32}$/, 'expected 32 hex digits'),
  host: s.string().max(LONGEST_TEXT),
  created: timeSchema,
  key: s.string().max(LONGEST_TEXT).describe("The host's public key, as a C2SP verifier key."),
})

/** What `journal.json` says. It is written once, when the journal is created. */
export type JournalFile = s.Infer<typeof journalSchema>

/** The origin of the checkpoints of a journal, and the name of its key. */
export function originOf({ id }: Pick<JournalFile, 'id'>): string {
  return `modelseal.journal/${id}`
}

export function writeJournalFile(journal: JournalFile): string {
  return `${canonicalJson({ ...journal, host: journal.host.slice(0, LONGEST_TEXT).toWellFormed() })}\n`
}

export function readJournalFile(text: string): { journal: JournalFile } | { fault: string } {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    return { fault: 'it is not JSON' }
  }
  const checked = journalSchema.check(parsed)
  if (!('value' in checked)) return { fault: firstFault(checked.issues) }
  return writeJournalFile(checked.value) === text ? { journal: checked.value } : { fault: 'it is not canonical JSON' }
}
