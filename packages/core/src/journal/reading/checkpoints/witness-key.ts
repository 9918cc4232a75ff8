import { ModelSealError, shown } from '../../../errors.ts'
import { readCosignerKey, type Cosigner } from '../../../merkle/cosignature.ts'
import { readSmallFile } from '../../../source/read-small-file.ts'
import { isVerifierKeyText } from '../../format/verifier-key.ts'

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
  const text = isVerifierKeyText(given.trim())
    ? ''
    : String(await readSmallFile(given, { what: 'key of the witness', maxBytes: MAX_KEY_FILE }))
  const found = readCosignerKey(text.trim())
  if (found) return found
  throw new ModelSealError('KEY_INVALID', `Cannot read the key of the witness ${shown(given)}.`, {
    file: given,
    expected: 'a verifier key (NAME+HASH+KEY) for cosignatures of type 4 (Ed25519), or a file with one',
  })
}
