import type { SerializedError } from '../errors.ts'
import type { VerifiedSigner } from '../verification/verified-signature.ts'

/** What became of one bundle. */
export interface BundleVerdict {
  /** Absolute path of the bundle. */
  path: string
  /** True where it is one that the decision rests on. */
  counted: boolean
  /** Proven by the signature; absent where the signature was not valid. */
  signer?: VerifiedSigner
  /** Why it did not count. */
  reason?: SerializedError
}

/** The outcome of a verified load: plain and serialisable, without secrets. */
export interface Verdict {
  decision: 'accepted' | 'refused'
  /** Absolute path of the policy; absent where none was found. */
  policy?: string
  /** Name of the rule that matched. */
  rule?: string
  model: {
    /** Absolute path that was asked for. */
    path: string
    /** The file that was asked for, relative to the signed model, where that is a directory. */
    entry?: string
    /** Name of the model when it was signed; informational. */
    name?: string
    /** SHA-256 over the signed digests, lowercase hex. */
    rootDigest?: string
  }
  bundles: BundleVerdict[]
  /** Files hashed and found as signed, of those that the manifest lists. */
  files: { checked: number; signed: number }
  /** Bytes hashed. */
  bytes: number
  /** Milliseconds. */
  durations: { policy: number; verification: number; hashing: number }
  /** Why the model was refused. */
  error?: SerializedError
}
