import * as s from '../../schema/define.ts'
import type { Problem } from '../../schema/schema.ts'
import { timeSchema } from '../../schema/time.ts'
import { SERIAL } from './fingerprint.ts'
import { MAX_PURL_LENGTH, PACKAGE_URL, packageUrlFault } from './package-url.ts'
import { faultyEnd, fileSchema, fingerprintSchema, reasonSchema, rootDigestSchema, textSchema } from '../schema/text.ts'

/** What no rule can accept: `revoked` in a policy, and what advisory feeds deny. */

const window = {
  from: timeSchema.optional().describe('Does not apply to signatures that provably existed before this time.'),
  until: timeSchema.optional().describe('Does not apply to signatures that were provably made at this time or later.'),
  reason: reasonSchema.optional().describe('Why, for people.'),
}

const fileDigest = s
  .string()
  .regex(
    /^((sha256:|blake3:)?[0-9a-f]{64}|blake2b:[0-9a-f]{128})$/,
    'expected a digest of a whole file, such as sha256: and 64 lowercase hex digits',
  )

const packageUrl = s
  .string()
  .withCheck((text, report) => {
    const message = packageUrlFault(text)
    if (message !== undefined) report({ message })
  })
  .inJson({ pattern: PACKAGE_URL, maxLength: MAX_PURL_LENGTH })

/**
 * The schemas of the entries of each list.
 *
 * @param more fields that every entry may have besides
 * @param files the field of keys and of certificates that name a file, if they may
 */
export function entrySchemas<
  More extends s.FieldSchemas,
  KeyFile extends s.FieldSchemas,
  CertificateFile extends s.FieldSchemas,
>(more: More, files: { key: KeyFile; certificate: CertificateFile }) {
  const key = s
    .strictObject({
      fingerprint: fingerprintSchema.optional().describe('SHA-256 of the public key (SPKI), in DER or PEM.'),
      ...files.key,
      ...window,
      ...more,
    })
    .refine(namesOneKey, `expected a fingerprint${'file' in files.key ? ', or a file' : ''}`)
    .inJson({ oneOf: [{ required: ['fingerprint'] }, ...('file' in files.key ? [{ required: ['file'] }] : [])] })
  const names = ['fingerprint', ...('file' in files.certificate ? ['file'] : [])]
  const certificate = s
    .strictObject({
      fingerprint: fingerprintSchema.optional().describe('SHA-256 of the certificate (DER).'),
      ...files.certificate,
      serial: s
        .string()
        .regex(SERIAL, 'expected hex digits, in quotes')
        .optional()
        .describe('Serial number of the certificate, beside its issuer.'),
      issuer: s.string().min(1).optional().describe('In the notation of RFC 4514.'),
      ...window,
      ...more,
    })
    .refine(
      namesOneCertificate,
      `expected a fingerprint, ${'file' in files.certificate ? 'a file, ' : ''}or serial and issuer`,
    )
    .inJson({
      oneOf: [
        ...names.map((name) => ({ required: [name], properties: { serial: false, issuer: false } })),
        { required: ['serial', 'issuer'], properties: Object.fromEntries(names.map((name) => [name, false])) },
      ],
    })
  const identity = s.strictObject({
    identity: textSchema.describe('A subject, or a subject alternative name with or without its type.'),
    issuer: textSchema.optional().describe('The issuer of the certificate, or the OpenID Connect issuer.'),
    ...window,
    ...more,
  })
  // What decides nothing about the time of a signature has no period.
  const always = { reason: window.reason, ...more }
  return {
    // Objects first: most entries of long lists have a reason.
    rootDigests: s.union([
      s.strictObject({ digest: rootDigestSchema.describe('Root digest of the model.'), ...window, ...more }),
      rootDigestSchema,
    ]),
    fileDigests: s.union([
      s.strictObject({ digest: fileDigest.describe('Digest of the whole file.'), ...window, ...more }),
      fileDigest,
    ]),
    keys: s.union([key, fingerprintSchema]),
    certificates: s.union([certificate, fingerprintSchema]),
    identities: identity,
    claims: s.union([
      s.strictObject({ digest: rootDigestSchema.describe('SHA-256 of the signed statement.'), ...always }),
      rootDigestSchema,
    ]),
    packages: s.union([
      s.strictObject({ purl: packageUrl.describe('Package URL of the model.'), ...always }),
      packageUrl,
    ]),
  }
}

function namesOneKey(entry: unknown): boolean {
  const { fingerprint, file } = entry as { fingerprint?: string; file?: string }
  return (fingerprint === undefined) !== (file === undefined)
}

function namesOneCertificate(entry: unknown): boolean {
  const { fingerprint, file, serial, issuer } = entry as Partial<Record<string, string>>
  const ways = [fingerprint, file, serial].filter((way) => way !== undefined)
  return ways.length === 1 && (serial === undefined) === (issuer === undefined)
}

/** What is wrong with the period of an entry. */
export function faultyPeriod(entry: string | object): { message: string; input: string } | undefined {
  if (typeof entry === 'string') return undefined
  const { from, until } = entry as { from?: string; until?: string }
  return faultyEnd(from, until)
}

/** Checks the periods of all lists at once: noticeably faster with ten thousand entries. */
export function checkPeriods(
  lists: Readonly<Record<string, readonly (string | object)[]>>,
  report: (problem: Problem) => void,
): void {
  for (const [list, items] of Object.entries(lists)) {
    for (const [index, item] of items.entries()) {
      const until = faultyPeriod(item)
      if (until !== undefined) report({ ...until, path: [list, index, 'until'] })
    }
  }
}

const { rootDigests, fileDigests, keys, certificates, identities, claims, packages } = entrySchemas(
  {},
  {
    key: { file: fileSchema.optional().describe('The public key: a PEM file (SPKI).') },
    certificate: {
      file: fileSchema.optional().describe('The certificate: a PEM or DER file with no other certificate.'),
    },
  },
)

const lists = {
  rootDigests: s.array(rootDigests).optional().describe('Models, named by their root digest.'),
  fileDigests: s.array(fileDigests).optional().describe('Files, named by the digest of the whole file.'),
  keys: s
    .array(keys)
    .optional()
    .describe('Keys, named by the SHA-256 of the public key (SPKI), in DER or PEM, or by the file of the key.'),
  certificates: s
    .array(certificates)
    .optional()
    .describe('Certificates, named by their SHA-256, their file, or their serial number and issuer.'),
  identities: s.array(identities).optional().describe('Identities of signers with certificates.'),
  claims: s.array(claims).optional().describe('Single attestations, named by the SHA-256 of the signed statement.'),
  packages: s
    .array(packages)
    .optional()
    .describe('Models of a hub or registry, named by their package URLs. Without a version, every version.'),
}

export const revokedSchema = s.strictObject(lists).withCheck(checkPeriods)

/** Revocations as written in the policy. */
export type RevokedText = s.Infer<typeof revokedSchema>
