import { resolve } from 'node:path'
import { CERTIFICATE_FILE, parseCertificate, parseCertificates } from '../../x509/certificate.ts'
import { keyFingerprints, parsePublicKey, PUBLIC_KEY_FILE } from '../../x509/public-key.ts'
import { ModelSealError, shown } from '../../errors.ts'
import type { ReadFile } from '../../source/read-small-file.ts'
import { fingerprintsOf } from './certificate-twins.ts'
import type { PolicySource } from '../reading/include.ts'
import type { TrackedFiles } from '../reading/reading.ts'
import type { FingerprintsOfFiles } from './revocation-list.ts'

/** Reads the keys and certificates that `revoked` names by file. A fault in one is a problem at its position. */
export async function readRevokedFiles(source: PolicySource, reading: TrackedFiles): Promise<FingerprintsOfFiles> {
  const found = new Map<unknown, readonly string[]>()
  for (const list of ['keys', 'certificates'] as const) {
    const read = list === 'keys' ? keyIn : certificateIn
    for (const [index, entry] of (source.file.revoked?.[list] ?? []).entries()) {
      if (typeof entry === 'string' || entry.file === undefined) continue
      const path = resolve(source.directory, entry.file)
      await reading.track(path)
      try {
        found.set(entry, await read(path, reading.file))
      } catch (error) {
        if (!(error instanceof ModelSealError)) throw error
        reading.problems.push(source.text.faultFrom(['revoked', list, index, 'file'], error))
      }
    }
  }
  return found
}

/**
 * The fingerprints of the public key in a file.
 *
 * @throws {@link ModelSealError} `KEY_INVALID`, and what reading the file throws
 */
export async function keyIn(path: string, readFile: ReadFile): Promise<string[]> {
  const pem = await readFile(path, PUBLIC_KEY_FILE)
  return keyFingerprints(parsePublicKey(pem.toString('latin1'), path).key)
}

/**
 * The fingerprints of the only certificate in a file.
 *
 * @throws {@link ModelSealError} `CERTIFICATE_INVALID`, and what reading the file throws
 */
export async function certificateIn(path: string, readFile: ReadFile): Promise<string[]> {
  const [der, ...more] = parseCertificates(await readFile(path, CERTIFICATE_FILE), path)
  if (der && more.length === 0) return fingerprintsOf(await parseCertificate(der, path))
  // In a chain, the author probably does not mean to revoke the authorities, too.
  throw new ModelSealError('CERTIFICATE_INVALID', `The file ${shown(path)} contains several certificates.`, {
    file: path,
    expected: 'only the certificate to revoke',
    found: `${more.length + 1} certificates`,
    hint: 'Put each certificate to revoke into a separate file, and name each file.',
  })
}
