import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { lstatSync } from 'node:fs'
import { join } from 'node:path'
import { shown } from '../../../errors.ts'
import { signNote, writeNote } from '../../../merkle/signed-note.ts'
import { readSmallFile } from '../../../source/read-small-file.ts'
import { octalMode, isTrustedOwner } from '../../../source/private/ownership.ts'
import { KEY_FILE } from '../../format/names.ts'
import { createWhole } from '../files/files.ts'
import { invalidJournal } from '../failures.ts'
import { runSoon } from '../files/file-work.ts'
import type { HostKey } from './host-key.ts'

const MAX_KEY_BYTES = 16 * 1024

/**
 * The key of a journal: on the given token, from the given file, or from the directory, where it is created if it does not exist.
 *
 * @param existing the public key that the journal states, if it exists already: another key could not sign for it
 * @throws {@link ModelSealError} `JOURNAL_INVALID`
 */
export async function hostKey(
  directory: string,
  { key, existing }: { key: string | undefined; existing: KeyObject | undefined },
): Promise<HostKey> {
  if (key?.startsWith('pkcs11:')) {
    const { tokenKey } = await import('./token-key.ts')
    return tokenKey({ directory, uri: key, publicKey: existing })
  }
  const own = join(directory, KEY_FILE)
  if (key === undefined && !existing) {
    const { privateKey } = generateKeyPairSync('ed25519')
    // If another process was first, its key is used.
    await runSoon(createWhole(own, privateKey.export({ type: 'pkcs8', format: 'pem' }) as string))
  }
  return keyIn(key ?? own, directory)
}

async function keyIn(path: string, directory: string): Promise<HostKey> {
  let privateKey: KeyObject
  try {
    checkMode(path, directory)
    privateKey = createPrivateKey(await readSmallFile(path, { what: 'key of the journal', maxBytes: MAX_KEY_BYTES }))
  } catch (cause) {
    throw invalidJournal(directory, 'its key cannot be read', {
      expected: 'a private key (Ed25519, PEM) that only this user can read',
      found: shown(path),
      cause,
    })
  }
  // C2SP signed-note: the one type of key that every implementation verifies.
  if (privateKey.asymmetricKeyType !== 'ed25519')
    throw invalidJournal(directory, 'its key is of another kind', {
      expected: 'an Ed25519 key',
      found: privateKey.asymmetricKeyType ?? 'a key of an unknown kind',
    })
  const publicKey = createPublicKey(privateKey)
  return {
    publicKey,
    note: (text, name) => writeNote({ text, signatures: [signNote(text, name, privateKey, publicKey)] }),
  }
}

/** Whoever can read the key can sign other checkpoints. */
function checkMode(path: string, directory: string): void {
  if (!process.geteuid) return
  const stat = lstatSync(path, { bigint: true })
  if (isTrustedOwner(stat.uid) && (stat.isSymbolicLink() || (stat.mode & 0o077n) === 0n)) return
  throw invalidJournal(directory, 'others can read its key', {
    expected: 'mode 0600',
    found: `mode ${octalMode(stat)}`,
  })
}
