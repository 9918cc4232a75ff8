import { ModelSealError } from '../../errors.ts'
import { readSmallFile } from '../../source/read-small-file.ts'
import type { Pkcs11Uri } from './uri.ts'

/** Tokens accept PINs of up to 255 bytes. */
const MAX_PIN_BYTES = 1024

/**
 * Gets the PIN from a URI, or from the file that it names. Text that cannot be a PIN is never tried, because tokens
 * count wrong PINs.
 *
 * @throws {@link ModelSealError} `PKCS11_PIN`, `FILE_NOT_FOUND`, `FILE_UNREADABLE`, `FILE_SPECIAL`, `FILE_TOO_LARGE`
 */
export async function readPin(pin: NonNullable<Pkcs11Uri['pin']>): Promise<string> {
  if ('value' in pin) return pin.value
  const bytes = await readSmallFile(pin.file, {
    what: 'PIN file',
    maxBytes: MAX_PIN_BYTES,
    hint: 'Write the PIN to it, readable only by this user.',
  })
  const value = bytes.toString('utf8').replace(/\r?\n$/, '')
  // PKCS #11 v3.0, 5.6: a PIN is text in UTF-8.
  const isText = Buffer.from(bytes.toString('utf8')).equals(bytes)
  if (isText && value !== '' && !/[\r\n\0]/.test(value)) return value
  throw new ModelSealError('PKCS11_PIN', 'Cannot use the PIN file: it does not contain a valid PIN.', {
    file: pin.file,
    expected: 'one line of text',
    hint: 'Write only the PIN to it.',
  })
}
