// What identifies a tarball.
import { createHash } from 'node:crypto'

/** @returns {{ sha1: string, sha256: string, sha512: string, integrity: string }} in hex, and as npm writes it */
export function digestsOf(bytes) {
  const digest = (algorithm, encoding) => createHash(algorithm).update(bytes).digest(encoding)
  return {
    sha1: digest('sha1', 'hex'),
    sha256: digest('sha256', 'hex'),
    sha512: digest('sha512', 'hex'),
    integrity: `sha512-${digest('sha512', 'base64')}`,
  }
}
