import type { ErrorCode } from './error-codes.ts'
import type { SerializedError } from './error-details.ts'

// Plain values that every floor may use: the results of a check.

/** The outcome of a verified load: plain and serialisable, without secrets. */
export interface Verdict {
  decision: Decision
  /**
   * The component that requested this judgement, if not the program itself: `@modelseal/register`. If a program that it guards also verifies a load by its
   * own policy, the load has two verdicts, one by each.
   */
  by?: string
  /** When it was reached: ISO 8601. */
  at: string
  /** Absolute path of the policy; absent if none was found. */
  policy?: string
  /** SHA-256 of the policy file and of those that it includes, lowercase hex, as `sha256sum` prints them; absent if they could not be read. */
  policyDigests?: { file: string; includes?: readonly string[] }
  /** Name of the rule that matched. */
  rule?: string
  mode?: 'enforce' | 'audit' | 'skip'
  /** The author's reason for the rule. */
  reason?: string
  model: {
    /** Absolute path to load, or the URL of a model that has no path on this machine. */
    path: string
    url?: string
    /** What its source resolved a mutable name to for this load: a commit, or a digest. */
    revision?: string
    /** The branch, tag or other name that was resolved to `revision`. */
    requested?: string
    /** Package URL, as its source states it, such as `pkg:huggingface/acme/vad@COMMIT`. Revocations can name it. */
    packageUrl?: string
    format?: ModelFormat
    /** The requested file, relative to the signed model, if that is a directory. */
    entry?: string
    /** Name of the model when it was signed; informational. */
    name?: string
    /** SHA-256 over the signed digests, lowercase hex. */
    rootDigest?: string
  }
  checks: CheckVerdict[]
  bundles: BundleVerdict[]
  /** The attestations that were found; absent if the rule requires none, because the load then looks for none. */
  attestations?: AttestationVerdict[]
  /** The advisory feeds that the policy follows; absent if it follows none. */
  advisories?: AdvisoryVerdict[]
  /**
   * `receipt` if a receipt proves that no file changed, so that only what a runtime got as a buffer or
   * a copy was hashed. Absent if hashing was not reached.
   */
  hashed?: 'files' | 'receipt'
  /** The number of files found as signed, and the number of files in the manifest. */
  files: { checked: number; signed: number }
  /** Bytes hashed to compare them with the manifest. */
  bytes: number
  /** How files were handed out while the model was opened; absent if hashing was not reached. */
  isolation?: readonly ('memory' | 'copy' | 'in-place')[]
  /** Absent if there are none. Each code occurs once. */
  warnings?: VerdictWarning[]
  /** Milliseconds. */
  durations: { policy: number; verification: number; hashing: number }
  /** Why the model was refused. */
  error?: SerializedError
  /** Under `tolerated`: why the model would have been refused in the mode `enforce`. */
  wouldRefuse?: SerializedError
}

/** The verdict of a load whose model matches a signature that the policy accepts. */
export type AcceptedVerdict = Verdict & {
  decision: 'accepted'
  policy: string
  rule: string
  mode: 'enforce' | 'audit'
  model: { rootDigest: string }
}

/** The verdict of a load that handed out an unverified model, as a rule in the mode `audit` or `skip` allows. */
export type UnverifiedVerdict = Verdict & { decision: 'tolerated' | 'skipped' }

/** The outcome for one bundle. */
export interface BundleVerdict {
  /** Absolute path of the bundle. */
  path: string
  /** True if the decision depends on it. */
  counted: boolean
  /** Proven by the signature; absent where the signature was not valid. */
  signer?: VerifiedIdentity
  /** The trusted time of the signature; absent if there is none. */
  time?: SignatureTime
  /** The entry in the transparency log, if the signer was certified by a Sigstore instance. */
  logEntry?: LogEntry
  /** Why it did not count. */
  reason?: SerializedError
}

/** An advisory feed, as a load found it. */
export interface AdvisoryVerdict {
  /** Its URL, or the absolute path of its file. */
  source: string
  /** Its name, as its signers say. This and the following are absent if no valid version is known. */
  feed?: string
  /** Number of the version. */
  sequence?: number
  /** When the version was signed (ISO 8601). */
  issued?: string
  /** When it may no longer be relied on (ISO 8601). */
  expires?: string
  /** When its source last served it as the current version (ISO 8601). */
  confirmedAt?: string
  /** True if it may not be relied on. What is known of it applies all the same. */
  stale: boolean
  /** Why looking for a newer version failed last time. */
  error?: SerializedError
}

/** The outcome for one attestation: a signed statement about the model. */
export interface AttestationVerdict {
  /** Path of its file, with `:` and the number of the line in a file of several. */
  path: string
  /** SHA-256 of the statement (the payload of the envelope) in lowercase hex, by which `revoked.claims` names it. */
  digest?: string
  /** The URI of its predicate type, as the statement says. */
  type?: string
  /** The kind of statement, if it is known: `evaluation`, `model-card`, `provenance`. */
  kind?: string
  /** Proven by the signature, with its trusted time; absent unless a signer whom the rule names for such statements made it. */
  signer?: VerifiedIdentity
  time?: SignatureTime
  /** The `type` of each requirement that it satisfies. If absent, `reason` says why, unless the rule asks for no such statement. */
  satisfies?: string[]
  reason?: SerializedError
}

/** The steps of a check, in order. */
export type CheckName =
  | 'policy-age'
  | 'advisories'
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
  | 'attestations'
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
  /** Absolute path of the bundle concerned. */
  bundle?: string
}

/**
 * - `accepted`: the model meets everything that the rule requires;
 * - `refused`: nothing was handed out;
 * - `tolerated`: refused by a rule in the mode `audit`, but loaded unverified anyway;
 * - `skipped`: loaded unverified, under a rule in the mode `skip`.
 */
export type Decision = 'accepted' | 'refused' | 'tolerated' | 'skipped'

/** A problem that does not affect the decision. */
export interface VerdictWarning {
  /**
   * Stable: `MODELSEAL_NO_THREADS` if no hashing thread could be started, so that the calling thread hashed;
   * `MODELSEAL_SOURCE_CLOSE` if the source of the model failed to close, or did not close in time;
   * `MODELSEAL_ADVISORY_STALE` if an advisory feed may not be relied on, and the policy only warns of that;
   * `MODELSEAL_ADVISORY_REFUSED` if the source of a feed serves something that is not valid, and the version before it stays in use;
   * `MODELSEAL_ADVISORY_NOT_KEPT` if a feed cannot be kept in the cache of this user.
   */
  code: string
  /** What happened, and what to do. */
  message: string
}

/**
 * The signer, proven by a signature. `description` names it in one line: `key sha256:84b3…`,
 * `CN=Release,O=Acme (email:release@acme.example)`, or
 * `release@acme.example (issuer https://accounts.google.com)`. It is for display and may change in a later
 * version; programs should use the other fields.
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

/** An identity certified by a Sigstore instance. */
export interface SigstoreIdentity {
  method: 'sigstore'
  /** Who signed, for people: one line, in which names are escaped where they have to be. See {@link VerifiedIdentity}. */
  description: string
  /** The verifier's own name for the trust root. */
  name: string
  /** The one subject alternative name of the certificate: an e-mail address, a URI, or another name. */
  identity: string
  /** The OpenID Connect issuer that authenticated the identity. */
  issuer: string
  /** Hex SHA-256 of the DER of the certificate. */
  fingerprint: string
  /** Lowercase hex. */
  serialNumber: string
  /** Further extensions of the certificate by name, such as `sourceRepositoryUri` or `buildTrigger`. */
  extensions: Readonly<Record<string, string>>
  /** Validity of the certificate (ISO 8601). */
  notBefore: string
  notAfter: string
  /** Which trusted root was used, and how old it is. */
  trustRoot: TrustRootInfo
}

/** A time by which a signature existed, according to a trusted third party. */
export interface SignatureTime {
  /** ISO 8601. */
  at: string
  source: 'rfc3161' | 'rekor'
  /** Distinguished name of the timestamp authority (RFC 4514), or URL of the transparency log. */
  authority: string
}

/** An entry in a transparency log that was verified with a signature. */
export interface LogEntry {
  /** URL of the log, or its key ID in hex if the trusted root states none. */
  log: string
  /** Its number in the log. */
  index: number
}

/** The trusted root that was used, and its age, as plain data for verdicts. */
export interface TrustRootInfo {
  /** `public-good`, `staging`, the URL of a TUF repository, or the absolute path of the file. */
  name: string
  /** `carried`: included in this release; `refreshed`: fetched by TUF. */
  source: 'carried' | 'refreshed' | 'file'
  /** SHA-256 of the trusted root (`trusted_root.json`), lowercase hex. */
  digest: string
  /**
   * When its newest key or certificate came into use (ISO 8601). The root was written at that time or later, and lacks later
   * changes of the instance.
   */
  newest: string
  /** When it was fetched (ISO 8601); only for a refreshed root. */
  fetched?: string
  /** When its metadata expires without an update (ISO 8601); only for a refreshed root. */
  expires?: string
}

/**
 * The format that a loader reads: one of this project's adapters, or the name of another adapter's format, such as `gguf` (1 to
 * 40 lower-case letters, digits and hyphens).
 */
export type ModelFormat = 'onnx' | 'tfjs-graph' | 'tfjs-layers' | 'saved-model' | 'dataset' | (string & {})
