import { createPrivateKey, createPublicKey } from 'node:crypto'
import { join } from 'node:path'
import { readSmallFile } from '../../source/read-small-file.ts'
import { KEY_FILE } from '../format/names.ts'
import { verifierKey } from '../format/verifier-key.ts'
import type { OpenedJournal } from './open-journal.ts'
import type { JournalProblem } from './problems.ts'

const MAX_KEY_FILE = 16 * 1024

/** Compares the private key in the directory, if it has one that can be read, with the public key that the journal states. */
export async function ownKeyProblem({ directory, origin, file }: OpenedJournal): Promise<JournalProblem | undefined> {
  let pem: string
  try {
    pem = String(await readSmallFile(join(directory, KEY_FILE), { what: 'key of the journal', maxBytes: MAX_KEY_FILE }))
  } catch {
    // Copies have none, and most readers must not read it.
    return undefined
  }
  const problem = (text: string): JournalProblem => ({ kind: 'key', file: KEY_FILE, problem: text })
  try {
    const key = createPrivateKey(pem)
    if (verifierKey(origin, createPublicKey(key)) !== file.key) return problem('it is not the key of the journal')
    return key.export({ type: 'pkcs8', format: 'pem' }) === pem ? undefined : problem('it was changed')
  } catch {
    return problem('it is not a private key')
  }
}
