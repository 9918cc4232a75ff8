import { z } from 'zod'
import { faultyEnd, fileSchema, timeSchema } from './text.ts'
import { parsedWithoutPrototypes } from '../../snapshot.ts'

/** `trustRoots`: what proves a signature, by name. One kind each. */

const keyFileSchema = z
  .strictObject({
    file: fileSchema,
    notBefore: timeSchema.optional().describe('Signatures from before this time do not count.'),
    notAfter: timeSchema.optional().describe('Signatures from this time on do not count.'),
  })
  .superRefine((given, context) => {
    const { notBefore, notAfter } = parsedWithoutPrototypes(given)
    const fault = faultyEnd(notBefore, notAfter)
    if (fault) context.addIssue({ ...fault, path: ['notAfter'] })
  })

const filesSchema = z.union([fileSchema, z.array(fileSchema).min(1)])

const publicKeyRoot = z.strictObject({
  publicKey: z
    .union([fileSchema, keyFileSchema, z.array(z.union([fileSchema, keyFileSchema])).min(1)])
    .describe('PEM files (SPKI) of one signer: the present key, and the ones before and after it.'),
})

const certificatesRoot = z.strictObject({
  certificates: z.strictObject({
    roots: filesSchema.describe('PEM files of root certificates.'),
    intermediates: filesSchema.optional().describe('PEM files of certificates that bundles may leave out.'),
    crls: filesSchema.optional().describe('Certificate revocation lists, PEM or DER.'),
  }),
})

const timestampRoot = z.strictObject({
  timestampAuthorities: filesSchema.describe('PEM files of RFC 3161 authorities whose time is trusted.'),
})

const sigstoreRoot = z.strictObject({
  sigstore: z
    .union([
      z.enum(['public-good', 'staging']),
      z.strictObject({ file: fileSchema }),
      z.strictObject({
        tufUrl: z
          .url({ protocol: /^https?$/ })
          .regex(/^[^?#@]*$/)
          .describe('URL of the TUF repository.'),
        tufRoot: fileSchema.describe('Its root.json, from which everything fetched must follow.'),
      }),
    ])
    .describe('A Sigstore instance, the file of its trusted root, or the TUF repository that hands it out.'),
})

export const trustRootSchema = z.union([publicKeyRoot, certificatesRoot, timestampRoot, sigstoreRoot])

/** A trust root as it is written. */
export type TrustRoot = z.infer<typeof trustRootSchema>
export type KeyFile = z.infer<typeof keyFileSchema>
