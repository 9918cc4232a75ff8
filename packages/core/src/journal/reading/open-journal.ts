import { createPublicKey, type KeyObject } from 'node:crypto'
import { join, resolve } from 'node:path'
import { ModelSealError, shown } from '../../errors.ts'
import { readSmallFile } from '../../source/read-small-file.ts'
import { MAX_JOURNAL_FILE, originOf, readJournalFile, type JournalFile } from '../format/journal-file.ts'
import { JOURNAL_FILE } from '../format/names.ts'
import { isVerifierKeyText, readVerifierKey, signsJournals, verifierKey } from '../format/verifier-key.ts'

/** A journal that can be read. Only its `journal.json` was read so far, and nothing is verified. */
export interface OpenedJournal {
  /** Absolute path. */
  directory: string
  file: JournalFile
  /** Origin of its checkpoints, and name of its key. */
  origin: string
  /** The key by which its checkpoints must be signed. */
  key: KeyObject
  /** True if the caller named the key. Otherwise it is the one in the journal, which anyone can replace together with the rest. */
  pinned: boolean
}

/**
 * Reads `journal.json`.
 *
 * @param key the key of the host: a C2SP verifier key, or a file with one or with a PEM public key. Default: the one in the journal
 * @throws {@link ModelSealError} `JOURNAL_INVALID`, `KEY_INVALID`, and what reading the files throws
 */
export async function openJournal(directory: string, key?: string): Promise<OpenedJournal> {
  const path = join(resolve(directory), JOURNAL_FILE)
  const bytes = await readSmallFile(path, { what: 'journal file', maxBytes: MAX_JOURNAL_FILE, hint: NOT_ONE })
  const read = readJournalFile(bytes.toString())
  if (!('journal' in read)) throw notAJournal(path, read.fault)
  const { journal: file } = read
  const origin = originOf(file)
  const own = readVerifierKey(file.key)
  if (own?.name !== origin) throw notAJournal(path, `its key is not a verifier key with the name ${origin}`)
  // Even if there is no checkpoint yet, which the key would have to have signed.
  if (key !== undefined) checkKey(verifierKey(origin, await givenKey(key, origin)), file.key)
  return { directory: resolve(directory), file, origin, key: own.key, pinned: key !== undefined }
}

function checkKey(found: string, expected: string): void {
  if (found === expected) return
  throw new ModelSealError('KEY_MISMATCH', 'Cannot verify the journal: the key is that of another journal.', {
    expected: shown(expected),
    found: shown(found),
  })
}

const NOT_ONE = 'Name the directory of a journal, which contains journal.json.'

function notAJournal(path: string, fault: string): ModelSealError {
  return new ModelSealError('JOURNAL_INVALID', `Cannot read the journal file ${shown(path)}: ${fault}.`, {
    file: path,
    hint: 'It was changed, or written by another version of modelseal.',
  })
}

const MAX_KEY_FILE = 16 * 1024

async function givenKey(given: string, origin: string): Promise<KeyObject> {
  const direct = readVerifierKey(given.trim())
  const isKey = isVerifierKeyText(given.trim())
  const text = isKey ? '' : String(await readSmallFile(given, { what: 'key of the journal', maxBytes: MAX_KEY_FILE }))
  const found = direct ?? readVerifierKey(text.trim())
  if (found) checkKey(found.name, origin)
  if (found) return found.key
  try {
    const key = createPublicKey(text)
    if (signsJournals(key) && !/PRIVATE KEY/.test(text)) return key
  } catch {
    // Refused below.
  }
  throw new ModelSealError('KEY_INVALID', `Cannot read the key of the journal ${shown(given)}.`, {
    file: given,
    expected:
      'a verifier key (NAME+HASH+KEY), or a file with one or with a PEM public key (Ed25519, or ECDSA on P-256)',
  })
}
