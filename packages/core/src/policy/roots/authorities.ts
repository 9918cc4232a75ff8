import { X509Certificate } from 'node:crypto'
import { ModelSealError, shown } from '../../errors.ts'
import { CERTIFICATE_FILE, holderKey, parseCertificates, readX509 } from '../../x509/certificate.ts'
import type { ReadFile } from '../../source/read-small-file.ts'
import type { Danger } from '../checking/finding.ts'
import { lapse } from '../checking/lapse.ts'
import type { ValuePath } from '../reading/policy-text.ts'
import { certificateFacts, type CertificateFacts } from '../revocations/certificate-facts.ts'
import type { RootFiles } from './root-files.ts'

/**
 * Reads certificates of authorities, and separates those that the policy revokes. Nothing proves when an authority issues
 * certificates, so one that is revoked for a period is revoked for good.
 */
export async function readAuthorities(
  at: ValuePath,
  named: string | readonly string[],
  files: RootFiles,
): Promise<{ trusted: Buffer[]; revoked: Buffer[] }> {
  const divided = { trusted: [] as Buffer[], revoked: [] as Buffer[] }
  const { revocations } = files
  for (const { der, facts } of await files.all(at, named, readAuthorityFile)) {
    const revoked = revocations.certificate(facts, undefined) ?? revocations.key(facts.keyFingerprints, undefined)
    divided[revoked ? 'revoked' : 'trusted'].push(der)
  }
  return divided
}

/** @throws {@link ModelSealError} `CERTIFICATE_INVALID`, also for a key that could never verify anything */
async function readAuthorityFile(
  path: string,
  readFile: ReadFile,
): Promise<{ der: Buffer; facts: CertificateFacts }[]> {
  const certificates = parseCertificates(await readFile(path, CERTIFICATE_FILE), path)
  return Promise.all(
    certificates.map(async (der) => {
      const facts = await certificateFacts(der, path)
      if (holderKey(readX509(der, path))) return { der, facts }
      throw new ModelSealError(
        'CERTIFICATE_INVALID',
        `A certificate of the file ${shown(path)} has a key that cannot be read.`,
        {
          file: path,
          expected: 'a key of a known algorithm',
          found: `the certificate ${facts.fingerprints[0]}`,
        },
      )
    }),
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
