import { z } from 'zod'

/**
 * The trust policy's one definition: what a file may say, and the TypeScript types of it. Every
 * object is strict: an unknown field is an error, never ignored.
 */
const name = z.string().min(1)
const globs = z.array(z.string().min(1)).min(1)

const trustRoot = z.strictObject({
  /** A PEM file (SPKI), relative to the policy file. */
  publicKey: z.string().min(1),
})

const signer = z.strictObject({
  /** Name of a trust root that is a public key. */
  key: name,
})

const rule = z.strictObject({
  name,
  match: z.strictObject({
    /** Globs over the path that the program loads, relative to the policy file. One is enough. */
    path: z.union([z.string().min(1), globs]),
  }),
  /** Whose signature is accepted. One is enough. */
  signers: z.array(signer).min(1),
})

export const policySchema = z.strictObject({
  version: z.literal(1),
  trustRoots: z.record(name, trustRoot),
  /** The first rule that matches decides. */
  rules: z.array(rule).min(1),
})

/** A trust policy as it is written. */
export type PolicyFile = z.infer<typeof policySchema>
