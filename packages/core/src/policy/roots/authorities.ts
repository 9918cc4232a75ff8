import { X509Certificate } from 'node:crypto'
import { ModelSealError, shown } from '../../errors.ts'
import { CERTIFICATE_FILE, fingerprintOf, holderKey, parseCertificates, readX509 } from '../../x509/certificate.ts'
import type { Danger } from '../checking/finding.ts'
import { lapse } from '../checking/lapse.ts'
import type { ValuePath } from '../reading/policy-text.ts'
import { certificateFacts } from '../revocations/certificate-facts.ts'
import type { RootFiles } from './root-files.ts'

/**
 * Reads certificates of authorities, and separates those that the policy revokes. Nothing proves when an authority issues
 * certificates, so one that is revoked for a period is revoked for good. OpenSSL has parsed all of them; the names and
 * extensions that only other libraries can read are checked here too, unless the policy is read for one load: then the
 * signatures that need them are refused.
 */
export async function readAuthorities(
  at: ValuePath,
  named: string | readonly string[],
  files: RootFiles,
): Promise<{ trusted: Buffer[]; revoked: Buffer[] }> {
  const divided = { trusted: [] as Buffer[], revoked: [] as Buffer[] }
  const { revocations } = files
  const inFull = !files.isForOneLoad || revocations.concernsSigners
  const authorities = await files.all(at, named, async (path, readFile) => {
    const certificates = parseCertificates(await readFile(path, CERTIFICATE_FILE), path)
    certificates.forEach((der) => checkHolderKey(der, path))
    return Promise.all(certificates.map(async (der) => ({ der, facts: inFull && (await certificateFacts(der, path)) })))
  })
  for (const { der, facts } of authorities) {
    const revoked =
      facts && (revocations.certificate(facts, undefined) ?? revocations.key(facts.keyFingerprints, undefined))
    divided[revoked ? 'revoked' : 'trusted'].push(der)
  }
  return divided
}

/** @throws {@link ModelSealError} `CERTIFICATE_INVALID` for a key that could never verify anything */
function checkHolderKey(der: Buffer, path: string): void {
  const certificate = readX509(der, path)
  if (holderKey(certificate)) return
  throw new ModelSealError(
    'CERTIFICATE_INVALID',
    `A certificate of the file ${shown(path)} has a key that cannot be read.`,
    {
      file: path,
      expected: 'a key of a known algorithm',
      found: `the certificate ${fingerprintOf(certificate)}`,
    },
  )
}

/** Certificates that expire soon. @param root name of the trust root */
export function expiryDangers(certificates: readonly Buffer[], root: string, now: number): Danger[] {
  return certificates.flatMap((der) => {
    const { validToDate } = new X509Certificate(der)
    const who = `The certificate ${subjectOf(der)} of the trust root ${shown(root)} is not valid`
    return lapse('CERTIFICATE_LAPSES', who, validToDate.getTime(), now)
  })
}

/** The subject of a certificate, for messages. */
export function subjectOf(der: Buffer): string {
  return shown(new X509Certificate(der).subject.replaceAll('\n', ', '))
}
