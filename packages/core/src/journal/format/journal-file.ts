import { createHash, type KeyObject } from 'node:crypto'
import { canonicalJson } from '../../schema/canonical-json.ts'
import * as s from '../../schema/define.ts'
import { withoutSecrets } from '../../secrets.ts'
import { parsedBy } from './fault.ts'
import { LONGEST_TEXT, timeSchema } from './record.ts'
import { verifierKey } from './verifier-key.ts'

/** Longer than any `journal.json`. */
export const MAX_JOURNAL_FILE = 16 * 1024

const hex32 = s.string().regex(/^[0-9a-f]{32}$/, 'expected 32 hex digits')

const journalSchema = s.strictObject({
  format: s.literal(1),
  id: hex32.describe('Begins the SHA-256 digest of the other fields, and so binds them to every checkpoint.'),
  nonce: hex32,
  host: s.string().max(LONGEST_TEXT),
  created: timeSchema,
  key: s.string().max(LONGEST_TEXT).describe("The host's public key, as a C2SP verifier key."),
})

/** What `journal.json` says. It is written once, when the journal is created. */
export type JournalFile = s.Infer<typeof journalSchema>

/** A new journal. */
export function describeJournal(
  { host, ...more }: Pick<JournalFile, 'nonce' | 'host' | 'created'>,
  publicKey: KeyObject,
): JournalFile {
  const journal = { format: 1 as const, ...more, host: withoutSecrets(host).slice(0, LONGEST_TEXT).toWellFormed() }
  const id = idOf({ ...journal, key: verifierKey('', publicKey) })
  return { ...journal, id, key: verifierKey(originOf({ id }), publicKey) }
}

/** The origin of the checkpoints of a journal, and the name of its key. */
export function originOf({ id }: Pick<JournalFile, 'id'>): string {
  return `modelseal.journal/${id}`
}

export function writeJournalFile(journal: JournalFile): string {
  return `${canonicalJson(journal)}\n`
}

export function readJournalFile(text: string): { journal: JournalFile } | { fault: string } {
  const read = parsedBy(journalSchema, text)
  if (!('value' in read)) return read
  const { value: journal } = read
  if (writeJournalFile(journal) !== text) return { fault: 'it is not canonical JSON' }
  const { id, ...described } = journal
  return idOf(described) === id ? { journal } : { fault: 'its id is not the digest of what it says' }
}

/** The name in the verifier key is the ID itself, and its hash depends on it. So only the encoded key counts. */
function idOf({ key, ...others }: Omit<JournalFile, 'id'>): string {
  const encoded = key.slice(key.lastIndexOf('+') + 1)
  return createHash('sha256')
    .update(canonicalJson({ ...others, key: encoded }))
    .digest('hex')
    .slice(0, 32)
}
