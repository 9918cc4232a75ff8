import { z } from 'zod'
import { faultyEnd, fingerprintSchema, reasonSchema, rootDigestSchema, textSchema, timeSchema } from './text-schema.ts'
import { parsedWithoutPrototypes } from '../snapshot.ts'

/** `revoked`: what no rule can accept. */

const window = {
  from: timeSchema.optional().describe('Not for signatures that provably existed before this time.'),
  until: timeSchema.optional().describe('Not for signatures that were provably made at this time or later.'),
  reason: reasonSchema.optional(),
}

const fileDigest = z
  .string()
  .regex(
    /^((sha256:|blake3:)?[0-9a-f]{64}|blake2b:[0-9a-f]{128})$/,
    'expected a digest of a whole file, such as sha256: and 64 lowercase hex digits',
  )

const certificate = z
  .strictObject({
    fingerprint: fingerprintSchema.optional().describe('SHA-256 of the certificate (DER).'),
    serial: z
      .string()
      .regex(/^(0x)?[0-9a-f]+(:[0-9a-f]+)*$/i, 'expected hex digits, in quotes')
      .optional(),
    issuer: z.string().min(1).optional().describe('As RFC 4514 writes it.'),
    ...window,
  })
  .refine(
    (given) => {
      const { fingerprint, serial, issuer } = parsedWithoutPrototypes(given)
      return fingerprint === undefined
        ? serial !== undefined && issuer !== undefined
        : serial === undefined && issuer === undefined
    },
    { error: 'expected a fingerprint, or serial and issuer' },
  )

const identity = z.strictObject({
  identity: textSchema.describe('A subject, or a subject alternative name with or without its type.'),
  issuer: textSchema.optional().describe('The issuer of the certificate, or the OpenID Connect issuer.'),
  ...window,
})

const entries = {
  // Objects first: of long lists, most entries say why.
  rootDigests: z.array(z.union([z.strictObject({ digest: rootDigestSchema, ...window }), rootDigestSchema])).optional(),
  fileDigests: z.array(z.union([z.strictObject({ digest: fileDigest, ...window }), fileDigest])).optional(),
  keys: z
    .array(z.union([z.strictObject({ fingerprint: fingerprintSchema, ...window }), fingerprintSchema]))
    .optional()
    .describe('SHA-256 of the PEM of the public key (SPKI).'),
  certificates: z.array(z.union([certificate, fingerprintSchema])).optional(),
  identities: z.array(identity).optional(),
}

// Windows are checked for all lists at once, which a policy of ten thousand revocations notices.
export const revokedSchema = z.strictObject(entries).superRefine((given, context) => {
  const revoked = parsedWithoutPrototypes(given)
  for (const [list, items = []] of Object.entries(revoked)) {
    for (const [index, item] of items.entries()) {
      const until = typeof item === 'string' ? undefined : faultyEnd(item.from, item.until)
      if (until !== undefined) context.addIssue({ ...until, path: [list, index, 'until'] })
    }
  }
})

/** Revocations as they are written. */
export type RevokedText = z.infer<typeof revokedSchema>
