import type { ErrorCode } from './error-codes.ts'

// Plain values that every floor may speak of: what a check found, and how an error is told.

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
    /** Absolute path that was asked for; the URL, for a model that has no path on this machine. */
    path: string
    url?: string
    /** What a name that can move was resolved to for this load, by the word of its source: a commit, or a digest. */
    revision?: string
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

/** The verdict of a load whose model was found as somebody signed it whom the policy accepts. */
export type AcceptedVerdict = Verdict & {
  decision: 'accepted'
  policy: string
  rule: string
  mode: 'enforce' | 'audit'
  model: { rootDigest: string }
}

/** The verdict of a load that handed out a model without verifying it, since a rule in the mode `audit` or `skip` asks for that. */
export type UnverifiedVerdict = Verdict & { decision: 'tolerated' | 'skipped' }

/**
 * How a load ended that handed out a model. `decision` tells whether the model was verified, and narrows what adapters return:
 *
 * @example
 * ```ts
 * const loaded = await loadVerifiedModel('models/vad', { policy: 'trust-policy.yaml' })
 * if (loaded.decision !== 'accepted') log.warn(`running an unverified model: ${loaded.verdict.wouldRefuse?.message}`)
 * ```
 */
export type LoadOutcome =
  | { readonly decision: 'accepted'; readonly verdict: AcceptedVerdict }
  | { readonly decision: 'tolerated' | 'skipped'; readonly verdict: UnverifiedVerdict }

/** What became of one bundle. */
export interface BundleVerdict {
  /** Absolute path of the bundle. */
  path: string
  /** True where it is one that the decision rests on. */
  counted: boolean
  /** Proven by the signature; absent where the signature was not valid. */
  signer?: VerifiedIdentity
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
  /**
   * Stable: `MODELSEAL_NO_THREADS` where no hashing thread could be started, so that the calling thread hashed;
   * `MODELSEAL_SOURCE_CLOSE` where the source of the model failed to close, or did not in time.
   */
  code: string
  /** Sentences: what happened, and what to do. */
  message: string
}

/**
 * Who signed: proven by a signature, not merely claimed. `description` says it in one line: `key sha256:84b3…`,
 * `CN=Release,O=Acme (email:release@acme.example)`, or
 * `release@acme.example (vouched for by https://accounts.google.com)`. It is for people and may be worded differently in a
 * later version; programs use the other fields.
 */
export type VerifiedIdentity = KeyIdentity | CertificateIdentity | SigstoreIdentity

export interface KeyIdentity {
  method: 'key'
  /** Who signed, for people: one line, in which names are escaped where they have to be. See {@link VerifiedIdentity}. */
  description: string
  /** The verifier's own name for the signer: of a trust root, or of a key file. */
  name: string
  /** Hex SHA-256 of the PEM of the public key (SPKI). */
  fingerprint: string
}

export interface CertificateIdentity {
  method: 'certificate'
  /** Who signed, for people: one line, in which names are escaped where they have to be. See {@link VerifiedIdentity}. */
  description: string
  /** The verifier's own name for the trust root. */
  name: string
  /** Hex SHA-256 of the DER of the leaf certificate. */
  fingerprint: string
  /** Distinguished names of the leaf (RFC 4514): `CN=...,O=...`. */
  subject: string
  issuer: string
  /** Lowercase hex. */
  serialNumber: string
  /** With their kind: `email:a@b.org`, `URI:...`, `DNS:...`, `otherName:OID:...`; `unreadable:...` matches no rule. */
  subjectAltNames: readonly string[]
  /** Validity of the leaf (ISO 8601). */
  notBefore: string
  notAfter: string
  /** Hex SHA-256 of the DER of the root that the chain leads to. */
  rootFingerprint: string
}

/** An identity that a Sigstore instance vouches for. */
export interface SigstoreIdentity {
  method: 'sigstore'
  /** Who signed, for people: one line, in which names are escaped where they have to be. See {@link VerifiedIdentity}. */
  description: string
  /** The verifier's own name for the trust root. */
  name: string
  /** The one subject alternative name of the certificate: an e-mail address, a URI, or another name. */
  identity: string
  /** The OpenID Connect issuer that vouched for the identity. */
  issuer: string
  /** Hex SHA-256 of the DER of the certificate. */
  fingerprint: string
  /** Lowercase hex. */
  serialNumber: string
  /** Further extensions of the certificate by name, such as `sourceRepositoryUri` (see `EXTENSION_NAMES`). */
  extensions: Readonly<Record<string, string>>
  /** Validity of the certificate (ISO 8601). */
  notBefore: string
  notAfter: string
  /** Which trusted root was used, and how old it is. */
  trustRoot: TrustRootInfo
}

/** When a signature existed already, by the word of a trusted third party. */
export interface SignatureTime {
  /** ISO 8601. */
  at: string
  source: 'rfc3161' | 'rekor'
  /** Distinguished name of the timestamp authority (RFC 4514), or URL of the transparency log. */
  authority: string
}

/** Which trusted root was used, and how old it is: plain, for verdicts. */
export interface TrustRootInfo {
  /** `public-good`, `staging`, the URL of a TUF repository, or the absolute path of the file. */
  name: string
  /** `carried`: as this program was released with it; `refreshed`: as it was fetched by TUF. */
  source: 'carried' | 'refreshed' | 'file'
  /** SHA-256 of the trusted root (`trusted_root.json`), lowercase hex. */
  digest: string
  /**
   * When its newest key or certificate came into use (ISO 8601): the root is no older than that, and knows nothing of what
   * the instance changed after it was written.
   */
  newest: string
  /** When it was fetched (ISO 8601); for a refreshed root. */
  fetched?: string
  /** Until when the instance vouches for it without a further update (ISO 8601); for a refreshed root. */
  expires?: string
}

/**
 * What a loader says that it reads: a format of this project's adapters, or the name that another adapter has for its own, such as
 * `gguf` (1 to 40 lower-case letters, digits and hyphens).
 */
export type ModelFormat = 'onnx' | 'tfjs-graph' | 'tfjs-layers' | 'saved-model' | (string & {})

/** One of several things wrong with a model's files. */
export interface FileProblem {
  code: 'FILE_MISSING' | 'FILE_UNSIGNED' | 'FILE_MISMATCH'
  /** Name relative to the model root. */
  file: string
  expected?: string
  found?: string
}

/** What a `ModelSealError` says beside its sentence. */
export interface ErrorDetails {
  /** The file or directory concerned: a path, or a name relative to the model root. */
  file?: string | undefined
  /** Where in the file, from 1; for files that people write. */
  line?: number | undefined
  /** From 1. */
  column?: number | undefined
  /** The signer concerned, by its name in the policy or its fingerprint. */
  signer?: string | undefined
  expected?: string | undefined
  found?: string | undefined
  /** What the reader can do about it: a sentence. */
  hint?: string | undefined
  /** Everything that is wrong with the model's files, up to 1,000 problems of each `code`. */
  problems?: readonly FileProblem[] | undefined
  cause?: unknown
}

/** The plain form of a `ModelSealError`: for JSON output, events and threads. */
export interface SerializedError extends Omit<ErrorDetails, 'cause'> {
  code: ErrorCode
  message: string
}
