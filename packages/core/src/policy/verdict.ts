import type { ErrorCode, SerializedError } from '../errors.ts'
import type { SignatureTime, VerifiedSigner } from '../verification/verified-signature.ts'
import type { ModelFormat } from './matching/match.ts'

/** What became of one bundle. */
export interface BundleVerdict {
  /** Absolute path of the bundle. */
  path: string
  /** True where it is one that the decision rests on. */
  counted: boolean
  /** Proven by the signature; absent where the signature was not valid. */
  signer?: VerifiedSigner
  /** When it was signed, by somebody trusted; absent where nobody trusted says. */
  time?: SignatureTime
  /** Why it did not count. */
  reason?: SerializedError
}

/** The steps of a check, in the order in which they are taken. */
export type CheckName =
  | 'policy-age'
  | 'rule'
  | 'bundles'
  | 'signature'
  | 'revocation'
  | 'model-name'
  | 'root-digest'
  | 'key-validity'
  | 'hash-algorithm'
  | 'transparency-log'
  | 'timestamp'
  | 'signature-age'
  | 'threshold'
  | 'isolation'
  | 'files'

/** The outcome of one step. */
export interface CheckVerdict {
  check: CheckName
  outcome: 'passed' | 'failed'
  /** A sentence. */
  reason: string
  /** Why it failed. */
  code?: ErrorCode
  /** Absolute path of the bundle that it is about. */
  bundle?: string
}

/**
 * - `accepted`: everything that the rule asks for was found;
 * - `refused`: nothing was handed out;
 * - `tolerated`: refused by a rule in the mode `audit`, and loaded unverified all the same;
 * - `skipped`: loaded unverified, under a rule in the mode `skip`.
 */
export type Decision = 'accepted' | 'refused' | 'tolerated' | 'skipped'

/** What did not go as it should, and changes nothing of the decision. */
export interface VerdictWarning {
  /** Stable: `MODELSEAL_NO_THREADS` where no hashing thread could be started, so that the calling thread hashed. */
  code: string
  /** Sentences: what happened, and what to do. */
  message: string
}

/** The outcome of a verified load: plain and serialisable, without secrets. */
export interface Verdict {
  decision: Decision
  /**
   * Who had the load judged, where that is not the program: `@modelseal/register`. A load of a program that it guards has two
   * verdicts where the program verifies it by a policy of its own, one by each.
   */
  by?: string
  /** When it was reached: ISO 8601. */
  at: string
  /** Absolute path of the policy; absent where none was found. */
  policy?: string
  /** Name of the rule that matched. */
  rule?: string
  mode?: 'enforce' | 'audit' | 'skip'
  /** Why the rule is as it is, in its author's words. */
  reason?: string
  model: {
    /** Absolute path that was asked for. */
    path: string
    url?: string
    format?: ModelFormat
    /** The file that was asked for, relative to the signed model, where that is a directory. */
    entry?: string
    /** Name of the model when it was signed; informational. */
    name?: string
    /** SHA-256 over the signed digests, lowercase hex. */
    rootDigest?: string
  }
  checks: CheckVerdict[]
  bundles: BundleVerdict[]
  /**
   * `receipt` where a receipt says that no file changed, so that only what a runtime got as a buffer
   * or a copy was hashed. Absent where it was not reached.
   */
  hashed?: 'files' | 'receipt'
  /** Files found as signed, of those that the manifest lists. */
  files: { checked: number; signed: number }
  /** Bytes hashed to compare them with the manifest. */
  bytes: number
  /** How files were handed out while the model was opened; absent where hashing was not reached. */
  isolation?: readonly ('memory' | 'copy' | 'in-place')[]
  /** Absent where there are none. Each code once. */
  warnings?: VerdictWarning[]
  /** Milliseconds. */
  durations: { policy: number; verification: number; hashing: number }
  /** Why the model was refused. */
  error?: SerializedError
  /** Under `tolerated`: why the model would have been refused in the mode `enforce`. */
  wouldRefuse?: SerializedError
}
