import { X509Certificate } from 'node:crypto'
import { isUint8Array } from '../any-realm.ts'
import { invalidOption, listOf, type Copy } from '../kinds.ts'

/** An independent copy. */
export const certificateCopy: Copy = (value, option) => {
  if (value instanceof X509Certificate) return value
  if (isUint8Array(value)) return Buffer.from(value)
  throw invalidOption(option, 'DER as a Uint8Array or an X509Certificate', value)
}

export const certificatesCopy: Copy = listOf(certificateCopy)
