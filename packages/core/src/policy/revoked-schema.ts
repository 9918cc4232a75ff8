import { z } from 'zod'
import { checkWindow, fingerprintSchema, reasonSchema, textSchema, timeSchema } from './text-schema.ts'

/** `revoked`: what no rule can accept. */

const window = {
  from: timeSchema.optional().describe('Signatures from before this trusted time are not concerned.'),
  until: timeSchema.optional().describe('Signatures from this trusted time on are not concerned.'),
  reason: reasonSchema.optional(),
}

const rootDigest = z.string().regex(/^(sha256:)?[0-9a-f]{64}$/, 'expected a root digest: 64 lowercase hex digits')
const fileDigest = z
  .string()
  .regex(
    /^((sha256:|blake3:)?[0-9a-f]{64}|blake2b:[0-9a-f]{128})$/,
    'expected a digest of a whole file, such as sha256: and 64 lowercase hex digits',
  )

const checked = checkWindow<{ from?: string | undefined; until?: string | undefined }>('from', 'until')

const certificate = z
  .strictObject({
    fingerprint: fingerprintSchema.optional().describe('SHA-256 of the certificate (DER).'),
    serial: z
      .string()
      .regex(/^[0-9a-f]+$/, 'expected lowercase hex digits, in quotes')
      .optional(),
    issuer: z.string().min(1).optional().describe('As RFC 4514 writes it.'),
    ...window,
  })
  .superRefine(checked)
  .refine(
    ({ fingerprint, serial, issuer }) =>
      fingerprint === undefined
        ? serial !== undefined && issuer !== undefined
        : serial === undefined && issuer === undefined,
    { error: 'expected a fingerprint, or serial and issuer' },
  )

const identity = z
  .strictObject({
    identity: textSchema.describe('A subject, or a subject alternative name with or without its type.'),
    issuer: textSchema.optional().describe('The issuer of the certificate, or the OpenID Connect issuer.'),
    ...window,
  })
  .superRefine(checked)

export const revokedSchema = z.strictObject({
  rootDigests: z
    .array(z.union([rootDigest, z.strictObject({ digest: rootDigest, ...window }).superRefine(checked)]))
    .optional(),
  fileDigests: z
    .array(z.union([fileDigest, z.strictObject({ digest: fileDigest, ...window }).superRefine(checked)]))
    .optional(),
  keys: z
    .array(
      z.union([fingerprintSchema, z.strictObject({ fingerprint: fingerprintSchema, ...window }).superRefine(checked)]),
    )
    .optional()
    .describe('SHA-256 of the PEM of the public key (SPKI).'),
  certificates: z.array(z.union([fingerprintSchema, certificate])).optional(),
  identities: z.array(identity).optional(),
})

/** Revocations as they are written. */
export type RevokedText = z.infer<typeof revokedSchema>
