import * as s from '../../schema/define.ts'
import { timeSchema } from '../../schema/time.ts'
import { SERIAL } from './fingerprint.ts'
import { faultyEnd, fileSchema, fingerprintSchema, reasonSchema, rootDigestSchema, textSchema } from '../schema/text.ts'

/** `revoked`: what no rule can accept. */

const window = {
  from: timeSchema.optional().describe('Does not apply to signatures that provably existed before this time.'),
  until: timeSchema.optional().describe('Does not apply to signatures that were provably made at this time or later.'),
  reason: reasonSchema.optional(),
}

const fileDigest = s
  .string()
  .regex(
    /^((sha256:|blake3:)?[0-9a-f]{64}|blake2b:[0-9a-f]{128})$/,
    'expected a digest of a whole file, such as sha256: and 64 lowercase hex digits',
  )

const key = s
  .strictObject({
    fingerprint: fingerprintSchema.optional().describe('SHA-256 of the public key (SPKI), in DER or PEM.'),
    file: fileSchema.optional().describe('The public key: a PEM file (SPKI).'),
    ...window,
  })
  .refine(
    ({ fingerprint, file }) => (fingerprint === undefined) !== (file === undefined),
    'expected a fingerprint, or a file',
  )

const certificate = s
  .strictObject({
    fingerprint: fingerprintSchema.optional().describe('SHA-256 of the certificate (DER).'),
    file: fileSchema.optional().describe('The certificate: a PEM or DER file with no other certificate.'),
    serial: s.string().regex(SERIAL, 'expected hex digits, in quotes').optional(),
    issuer: s.string().min(1).optional().describe('In the notation of RFC 4514.'),
    ...window,
  })
  .refine(({ fingerprint, file, serial, issuer }) => {
    const ways = [fingerprint !== undefined, file !== undefined, serial !== undefined || issuer !== undefined]
    return ways.filter(Boolean).length === 1 && (serial === undefined) === (issuer === undefined)
  }, 'expected a fingerprint, a file, or serial and issuer')

const identity = s.strictObject({
  identity: textSchema.describe('A subject, or a subject alternative name with or without its type.'),
  issuer: textSchema.optional().describe('The issuer of the certificate, or the OpenID Connect issuer.'),
  ...window,
})

const entries = {
  // Objects first: most entries of long lists have a reason.
  rootDigests: s.array(s.union([s.strictObject({ digest: rootDigestSchema, ...window }), rootDigestSchema])).optional(),
  fileDigests: s.array(s.union([s.strictObject({ digest: fileDigest, ...window }), fileDigest])).optional(),
  keys: s
    .array(s.union([key, fingerprintSchema]))
    .optional()
    .describe('Keys, named by the SHA-256 of the public key (SPKI), in DER or PEM, or by the file of the key.'),
  certificates: s.array(s.union([certificate, fingerprintSchema])).optional(),
  identities: s.array(identity).optional(),
  claims: s
    .array(s.union([s.strictObject({ digest: rootDigestSchema, reason: reasonSchema.optional() }), rootDigestSchema]))
    .optional()
    .describe('Single attestations, named by the SHA-256 of the signed statement.'),
}

// Checks the windows of all lists at once: noticeably faster with ten thousand revocations.
export const revokedSchema = s.strictObject(entries).withCheck((revoked, report) => {
  for (const [list, items = []] of Object.entries(revoked)) {
    for (const [index, item] of items.entries()) {
      const until = typeof item === 'string' || !('until' in item) ? undefined : faultyEnd(item.from, item.until)
      if (until !== undefined) report({ ...until, path: [list, index, 'until'] })
    }
  }
})

/** Revocations as written in the policy. */
export type RevokedText = s.Infer<typeof revokedSchema>
