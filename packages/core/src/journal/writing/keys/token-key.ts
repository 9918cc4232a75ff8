import { createHash, verify, type KeyObject } from 'node:crypto'
import { ModelSealError, sentenceOf, shown } from '../../../errors.ts'
import { noteKeyHash, writeNote } from '../../../merkle/signed-note.ts'
import { accessToKey, publicKeyOnToken } from '../../../signing/pkcs11/access.ts'
import { derEncoder } from '../../../signing/pkcs11/ecdsa-encoding.ts'
import { withTokenKey, type KeyAccess } from '../../../signing/pkcs11/token.ts'
import { signsJournals } from '../../format/verifier-key.ts'
import { invalidJournal } from '../failures.ts'
import type { HostKey } from './host-key.ts'

const WRONG_PIN: readonly string[] = ['PKCS11_PIN', 'PKCS11_PIN_LOCKED']
/** The errors of tokens that refused a PIN, by URI. It is not tried again, because tokens lock after a few wrong ones. */
const refusing = new Map<string, unknown>()

/** What is needed to sign, which is found before, because signing cannot wait when the process exits. */
interface Tools {
  access: KeyAccess
  derOf: (raw: Buffer) => Buffer
}

interface TokenKey {
  directory: string
  uri: string
  /** The key that the journal states; undefined if it does not exist yet. */
  publicKey: KeyObject | undefined
}

/**
 * A key on a PKCS#11 token. Only a new journal needs the token at once; for others it is used when a checkpoint is signed.
 *
 * @throws {@link ModelSealError} `JOURNAL_INVALID` if the journal is new and the token or its key cannot be used
 */
export async function tokenKey({ directory, uri, publicKey }: TokenKey): Promise<HostKey> {
  let tools = await toolsFor(uri).catch((error: unknown) => refused(error))
  const key = publicKey ?? (await newKey(directory, uri, tools))
  return {
    publicKey: key,
    note: (text, name) => {
      try {
        const signature = signed(text, key, usable(tools, uri))
        return writeNote({ text, signatures: [{ name, keyHash: noteKeyHash(name, key), signature }] })
      } catch (error) {
        remember(error, uri)
        // A file with the PIN, for example, may appear later.
        if ('error' in tools) void toolsFor(uri).then((found) => (tools = found), refused)
        throw unsigned(directory, error)
      }
    },
  }
}

async function toolsFor(uri: string): Promise<Tools> {
  return { access: await accessToKey(uri), derOf: await derEncoder() }
}

interface Refused {
  error: unknown
}

function refused(error: unknown): Refused {
  return { error }
}

function usable(tools: Tools | Refused, uri: string): Tools {
  if (refusing.has(uri)) throw refusing.get(uri)
  if ('error' in tools) throw tools.error
  return tools
}

/** Remembers a PIN that is wrong. */
function remember(error: unknown, uri: string): void {
  if (error instanceof ModelSealError && WRONG_PIN.includes(error.code)) refusing.set(uri, error)
}

async function newKey(directory: string, uri: string, tools: Tools | Refused): Promise<KeyObject> {
  let key: KeyObject | undefined
  try {
    key = await publicKeyOnToken(usable(tools, uri).access)
  } catch (cause) {
    remember(cause, uri)
    throw invalidJournal(directory, `the token with its key cannot be used: ${reasonOf(cause)}`, { cause })
  }
  if (key && signsJournals(key)) return key
  throw invalidJournal(directory, 'its key on the token is of another kind', {
    expected: 'an ECDSA key on P-256, with its public key',
    found: key ? 'a key of another kind' : 'no public key',
  })
}

function signed(text: string, publicKey: KeyObject, { access, derOf }: Tools): Buffer {
  const digest = createHash('sha256').update(text).digest()
  const signature = derOf(withTokenKey(access, (key) => key.sign(digest)))
  if (verify('sha256', Buffer.from(text), publicKey, signature)) return signature
  throw new ModelSealError('KEY_MISMATCH', 'Cannot sign: the key on the token is not that of the journal.')
}

function unsigned(directory: string, cause: unknown): ModelSealError {
  return new ModelSealError(
    'JOURNAL_FAILED',
    `Cannot sign a checkpoint of the journal ${shown(directory)}: ${reasonOf(cause)}.`,
    { file: directory, hint: 'Records are written all the same. The next checkpoint covers them.', cause },
  )
}

function reasonOf(error: unknown): string {
  return error instanceof ModelSealError ? sentenceOf(error).replace(/\.$/, '') : String(error)
}
