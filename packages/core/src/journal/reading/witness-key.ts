import { ModelSealError, shown } from '../../errors.ts'
import { readCosignerKey, type Cosigner } from '../../merkle/cosignature.ts'
import { readSmallFile } from '../../source/read-small-file.ts'

const MAX_KEY_FILE = 16 * 1024

/**
 * The key of a witness.
 *
 * @param given a C2SP verifier key of a cosigner (Ed25519), or a file with one
 * @throws {@link ModelSealError} `KEY_INVALID`, and what reading the file throws
 */
export async function witnessKey(given: string): Promise<Cosigner> {
  const direct = readCosignerKey(given.trim())
  if (direct) return direct
  // A verifier key of another kind is no path. The file would not be found, which says nothing.
  const isKey = /^[^\s+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/=]+$/.test(given.trim())
  const text = isKey ? '' : String(await readSmallFile(given, { what: 'key of the witness', maxBytes: MAX_KEY_FILE }))
  const found = readCosignerKey(text.trim())
  if (found) return found
  throw new ModelSealError('KEY_INVALID', `Cannot read the key of the witness ${shown(given)}.`, {
    file: given,
    expected: 'a verifier key (NAME+HASH+KEY) for cosignatures of type 4 (Ed25519), or a file with one',
  })
}
