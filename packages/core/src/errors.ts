import { isBranded, kindOf } from './any-realm.ts'

/**
 * Every refusal of modelseal, by code. The codes are stable: programs may branch on them.
 */
export const ERROR_CODES = {
  // What was asked for
  INVALID_ARGUMENT: 'an option of the call is missing or makes no sense',
  ABORTED: 'the caller aborted the operation',

  // JSON, in a bundle, a statement or a policy
  JSON_INVALID: 'the text is empty, truncated or not JSON',
  JSON_NOT_UTF8: 'the text is not valid UTF-8, or begins with a byte order mark',
  JSON_DUPLICATE_KEY: 'an object names the same key twice, so two readers could see two meanings',
  JSON_TOO_COMPLEX: 'the text is nested too deeply, or holds too many values',

  // The bundle and what is in it
  BUNDLE_NOT_FOUND: 'no signature bundle was found for the model',
  BUNDLE_TOO_LARGE: 'the bundle is larger than any bundle has reason to be',
  CLAIM_TOO_LARGE: 'a statement is too large to read before its signature is verified',
  BUNDLE_MALFORMED: 'the bundle lacks a field, has one too many, or one of the wrong type',
  BUNDLE_MEDIA_TYPE: 'the bundle is not of a known Sigstore bundle media type',
  BASE64_INVALID: 'a field is not canonical base64',
  SIGNATURE_COUNT: 'the envelope does not hold exactly one signature',
  PAYLOAD_TYPE: 'the envelope does not carry an in-toto statement',
  STATEMENT_MALFORMED: 'the statement lacks a field, has one too many, or one of the wrong type',
  STATEMENT_TYPE: 'the payload is not an in-toto Statement v1',
  PREDICATE_TYPE: 'the statement is not an OpenSSF Model Signing statement',
  SERIALIZATION_UNSUPPORTED: 'the statement was made with a method or hash type that is not supported',
  RESOURCES_EMPTY: 'the statement names no file',
  RESOURCE_NAME: 'a signed name is absolute, leaves the model, or is not in its one canonical form',
  RESOURCE_DUPLICATE: 'a name is signed twice',
  RESOURCE_ORDER: 'the signed names are not in the order that the standard asks for',
  RESOURCE_DIGEST: 'a signed digest has the wrong algorithm, length or letters',
  ROOT_DIGEST_MISMATCH: 'the root digest does not follow from the signed digests',

  // Keys and signatures
  KEY_INVALID: 'the key, or the file that should hold one, is not a usable key of the expected kind',
  KEY_ENCRYPTED: 'the private key is encrypted, and the password is missing or wrong',
  METHOD_MISMATCH: 'the bundle was signed by another method than the verifier asked for',
  KEY_MISMATCH: 'the bundle was signed by another key, or the certificate is for another one',
  SIGNATURE_INVALID: 'the signature does not belong to this key and this payload',
  SIGNATURE_EXISTS: 'where the bundle should go there is a file that is no bundle, or the bundle of another model',
  SIGNATURE_WRITE_FAILED: 'the bundle could not be written',

  // Certificates, revocation lists and timestamps
  CERTIFICATE_INVALID: 'a certificate cannot be read, or is malformed',
  CERTIFICATE_EXPIRED: 'a certificate of the chain was no longer valid at the time of the signature',
  CERTIFICATE_NOT_YET_VALID: 'a certificate of the chain was not yet valid at the time of the signature',
  CERTIFICATE_USAGE: 'the certificate is not for signing, or an authority may not issue certificates for signing',
  CERTIFICATE_EXTENSION: 'a certificate of the chain has a critical extension that is not understood',
  CERTIFICATE_WEAK: 'a certificate of the chain was signed with an algorithm or key that is too weak',
  CERTIFICATE_REVOKED: 'a certificate of the chain was revoked, by its authority or by the policy',
  CHAIN_NO_PATH: 'no chain of certificates leads from the signer to a trusted root',
  CHAIN_TOO_LARGE: 'there are more certificates, revocation lists or signatures to check than any real chain needs',
  CHAIN_NOT_CA: 'a certificate of the chain was issued by one that is not of an authority',
  CHAIN_PATH_LENGTH: 'the chain has more authorities than one of them allows below it',
  CHAIN_NAME_CONSTRAINT: 'a certificate of the chain has a name that an authority above may not certify',
  CHAIN_INVALID: 'the chain of certificates does not hold by the rules of RFC 5280',
  CRL_INVALID: 'a revocation list cannot be read, or not be verified',
  CRL_STALE: 'a revocation list is not current',
  CRL_MISSING: 'revocation lists were given, but none of the authority that issued the certificate',
  TIMESTAMP_INVALID: 'a timestamp of the bundle is malformed, forged, or of another signature',
  TIMESTAMP_UNTRUSTED: 'a timestamp of the bundle is not by a trusted timestamp authority',
  TSA_UNREACHABLE: 'the timestamp authority could not be reached, or did not answer in time',
  TSA_REFUSED: 'the timestamp authority refused to make a timestamp',
  TSA_RESPONSE: 'the timestamp authority answered with something other than was asked for',

  // Keys on tokens
  PKCS11_UNAVAILABLE: 'the optional package that speaks PKCS#11 is not installed, or was not built',
  PKCS11_URI_INVALID: 'the PKCS#11 URI is not one of RFC 7512, or does not name a key to sign with',
  PKCS11_MODULE: 'the PKCS#11 module is missing, or is not one',
  PKCS11_NOT_FOUND: 'no token, or no key on it, is what the PKCS#11 URI says',
  PKCS11_AMBIGUOUS: 'several tokens, or several keys, are what the PKCS#11 URI says',
  PKCS11_PIN: 'the PIN of the token is missing, unusable or wrong',
  PKCS11_PIN_LOCKED: 'the token is locked after too many wrong PINs',
  PKCS11_FAILED: 'the token failed, or made a signature that does not verify',

  // Sigstore
  TOKEN_MISSING: 'no identity token was given, and none could be had from the environment',
  TOKEN_INVALID: 'the identity token is not one, or the identity provider did not give one',
  TOKEN_EXPIRED: 'the identity token is no longer valid, or not yet',
  TOKEN_AUDIENCE: 'the identity token is for another service',
  SIGNING_CONFIG_INVALID: 'the signing configuration lacks a service without which no signature would verify',
  SERVICE_UNREACHABLE: 'a signing service could not be reached, or did not answer in time',
  SERVICE_REFUSED: 'a signing service refused the request, or answered with something else',
  TRUST_ROOT_INVALID: 'the Sigstore trusted root cannot be read, or is not one',
  TRUST_ROOT_MISSING: 'no trusted root of this Sigstore instance is carried along, and none was fetched yet',
  TUF_EXPIRED: 'the metadata of the TUF repository that trusted roots come from has expired',
  TUF_ROLLBACK: 'the TUF repository that trusted roots come from gave an older version than it gave before',
  TUF_SIGNATURE: 'the metadata of the TUF repository that trusted roots come from lacks signatures of its keys',
  TUF_INVALID: 'the TUF repository that trusted roots come from gave something that its metadata does not vouch for',
  IDENTITY_MISMATCH: 'the model was signed by another identity than the one asked for',
  ISSUER_MISMATCH: 'the identity of the signer was vouched for by another issuer than the one asked for',
  CERTIFICATE_CONDITION: 'the certificate lacks an extension that was asked for, or has another value in it',
  SCT_INVALID: 'no trusted certificate transparency log vouches for the certificate',
  LOG_UNTRUSTED:
    'the trusted root does not name the transparency log of an entry, or its key was not valid at that time',
  LOG_ENTRY_MISMATCH: 'an entry of the transparency log is about another signature or certificate',
  LOG_INCLUSION_INVALID: 'the proof that an entry is in the transparency log does not hold',
  TIME_MISSING: 'nothing trusted says when the signature was made, so its short-lived certificate cannot be judged',

  // The model on disk
  MODEL_NOT_FOUND: 'there is no model at the path',
  MODEL_EMPTY: 'no file is left to sign or to verify',
  MODEL_TOO_LARGE: 'the model has more files, or deeper directories, than is supported',
  FILE_UNREADABLE: 'a file could not be opened or read',
  FILE_NOT_FOUND: 'a file that is needed does not exist',
  FILE_TOO_LARGE: 'a file is larger than what it is used for allows',
  FILE_WRITE_FAILED: 'a file other than a bundle could not be written',
  CACHE_UNSAFE: 'others than this user could put files into the cache directory',
  FILE_SPECIAL: 'a socket, FIFO or device lies in the model',
  FILE_NAME: 'a file name is not valid UTF-8, or cannot be represented in a manifest',
  FILE_CHANGED: 'a file changed while it was read',
  SYMLINK_REFUSED:
    'a symbolic link lies in the model and the signature does not allow links, or a link leaves the model',
  FILE_MISSING: 'a signed file is missing from the model',
  FILE_UNSIGNED: 'a file lies in the model that nobody signed',
  FILE_MISMATCH: 'the content of a file is not what was signed',
  INTERNAL: 'the check itself failed in a way that was not foreseen',
  HASH_UNAVAILABLE: 'the native module of a hash type is not installed',
  WORKER_FAILED: 'a hashing worker died',

  // The model behind HTTP
  HTTP_UNREACHABLE: 'the server of a model could not be reached, or broke off',
  HTTP_TIMEOUT: 'the server of a model was silent for too long, or took too long in all',
  HTTP_RESPONSE: 'the server of a model answered with something other than the whole file',
  HTTP_REDIRECT: 'the server of a model redirects to where a load does not follow',

  // The policy
  POLICY_NOT_FOUND: 'no trust policy was found',
  POLICY_UNTRUSTED: 'another user could have written the trust policy or a file that it names',
  POLICY_INVALID: 'the trust policy is not valid',
  POLICY_STALE: 'the trust policy is older than it allows itself to be, so revocations may be missing',
  POLICY_NO_MATCH: 'no rule of the policy matches the model',
  SOURCE_UNKNOWN:
    'nothing says where the model is from, such as for bytes in memory, so no signature can be found for it',
  FORMAT_UNPROVEN: 'rules differ by format, and only the unverified model says which format it has',
  NAME_AMBIGUOUS: 'a rule goes by the name of the model, and its bundles do not agree on one',
  SIGNER_NOT_TRUSTED: 'no signature of the model is by a signer that the rule accepts',
  SIGNATURE_THRESHOLD: 'fewer distinct signers signed the model than the rule asks for',
  KEY_OUTSIDE_VALIDITY: 'the key was not valid, by the policy, when it signed',
  TIMESTAMP_REQUIRED: 'the rule asks for a trusted timestamp, and the signature has none',
  LOG_REQUIRED: 'the rule asks for inclusion in a transparency log, and the signature has none',
  SIGNATURE_TIME_UNKNOWN: 'the rule limits the age of a signature, and nothing trusted says that it is no older',
  SIGNATURE_TOO_OLD: 'the signature was made longer ago than the rule allows',
  MODEL_NAME_REFUSED: 'the model was signed under another name than the rule requires',
  ROOT_DIGEST_REFUSED: 'the root digest of the model is not the one that the rule requires',
  HASH_ALGORITHM_REFUSED: 'the model was hashed with an algorithm that the rule does not allow',
  ISOLATION_REFUSED: 'the model cannot be loaded under the isolation that the rule asks for',
  MODEL_UNIDENTIFIED: 'the policy revokes models by their root digests, and that of this one cannot be computed',
  MODEL_REVOKED: 'the policy revokes this model by its root digest',
  FILE_REVOKED: 'the policy revokes a file of the model by its digest',
  KEY_REVOKED: 'the policy revokes the key that signed',
  IDENTITY_UNREADABLE: "the policy revokes identities, and a name in the signer's certificate cannot be read",
  IDENTITY_REVOKED: 'the policy revokes the identity that signed',

  // Loading
  POLICIES_DISAGREE: 'two policies judge the load, and accept signatures over different models',
  RECEIPTS_UNUSABLE: 'the store of receipts is not private to this user, or cannot be written to',
  COPY_FAILED: 'the private copy of a file, from which a runtime was to load it, could not be written',
  FILE_NOT_SIGNED: 'the model refers to a file that its signature does not cover',
  PATH_ESCAPES: 'the model refers to a path outside its own directory',
  PATH_AMBIGUOUS: 'two ways of reading a path lead to different files',
  MODEL_FORMAT: 'the model file is not of the format that the loader reads',
  RUNTIME_UNGUARDED: 'a runtime, or a copy of one, is reached in a way on which nothing can be checked',
  RUNTIME_FAILED: 'the runtime refused the verified model',
} as const

/** A stable name for one kind of refusal. */
export type ErrorCode = keyof typeof ERROR_CODES

/** One of several things wrong with a model's files. */
export interface FileProblem {
  code: 'FILE_MISSING' | 'FILE_UNSIGNED' | 'FILE_MISMATCH'
  /** Name relative to the model root. */
  file: string
  expected?: string
  found?: string
}

/** What a {@link ModelSealError} says beside its sentence. */
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
  /** All that is wrong with the model's files, where it is more than one thing. */
  problems?: readonly FileProblem[] | undefined
  cause?: unknown
}

/** The plain form of a {@link ModelSealError}: for JSON output, events and threads. */
export interface SerializedError extends Omit<ErrorDetails, 'cause'> {
  code: ErrorCode
  message: string
}

const BRAND = Symbol.for('modelseal.error')
const NAME = 'ModelSealError'

/**
 * Every failure of modelseal. `code` is stable; `message` is one readable paragraph: what failed,
 * for which file or signer, what was expected and found, and what to do.
 *
 * @example
 * ```ts
 * try {
 *   await openVerifiedModel('models/vad', { policy: 'trust-policy.yaml' })
 * } catch (error) {
 *   if (error instanceof ModelSealError && error.code === 'FILE_MISMATCH') quarantine(error.file)
 *   throw error
 * }
 * ```
 */
export class ModelSealError extends Error {
  readonly code: ErrorCode
  readonly file: string | undefined
  readonly line: number | undefined
  readonly column: number | undefined
  readonly signer: string | undefined
  readonly expected: string | undefined
  readonly found: string | undefined
  readonly hint: string | undefined
  readonly problems: readonly FileProblem[] | undefined
  /** What was judged before the refusal; set on errors that leave a verified load. */
  verdict: unknown

  constructor(code: ErrorCode, sentence: string, details: ErrorDetails = {}) {
    super(paragraph(sentence, details), details.cause === undefined ? {} : { cause: details.cause })
    this.name = NAME
    this.code = code
    this.file = details.file
    this.line = details.line
    this.column = details.column
    this.signer = details.signer
    this.expected = details.expected
    this.found = details.found
    this.hint = details.hint
    this.problems = details.problems
    Object.defineProperty(this, BRAND, { value: true })
    // A verdict is large and is printed on its own.
    Object.defineProperty(this, 'verdict', { value: undefined, writable: true, enumerable: false })
  }

  /** True for errors of every copy: of the ESM and of the CommonJS build, of this realm and of another. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return isBranded(value, BRAND)
  }

  toJSON(): SerializedError {
    const { code, message, file, line, column, signer, expected, found, hint, problems } = this
    return { code, message, file, line, column, signer, expected, found, hint, problems }
  }

  /** Restores an error that crossed a thread as {@link SerializedError}. */
  static revive(error: SerializedError): ModelSealError {
    const revived = new ModelSealError(error.code, '', error)
    revived.message = error.message
    return revived
  }

  static {
    // Bundlers and minifiers give classes other names, and stacks and logs would say those.
    Object.defineProperty(this, 'name', { value: NAME, configurable: true })
    Object.defineProperty(this.prototype, 'name', { value: NAME, configurable: true, writable: true })
  }
}

/** What an error says, without its hint. */
export function withoutHint({ message, hint }: ModelSealError): string {
  return hint !== undefined && message.endsWith(` ${hint}`) ? message.slice(0, -hint.length - 1) : message
}

/** The same error with another hint. */
export function withHint(error: ModelSealError, hint: string): ModelSealError {
  const { cause } = error
  const hinted = new ModelSealError(error.code, '', { ...error.toJSON(), cause, hint })
  hinted.message = `${withoutHint(error)} ${hint}`
  return hinted
}

function paragraph(sentence: string, { expected, found, hint }: ErrorDetails): string {
  let text = sentence
  if (expected !== undefined && found !== undefined) text += ` Expected ${expected}, found ${found}.`
  else if (expected !== undefined) text += ` Expected ${expected}.`
  else if (found !== undefined) text += ` Found ${found}.`
  return hint === undefined ? text : `${text} ${hint}`
}

const LONGEST_SHOWN = 300

/**
 * A name or value of unknown origin, quoted for a message: control characters, line breaks and
 * text-direction marks are escaped, so that it cannot forge lines or drive a terminal.
 */
export function shown(value: string): string {
  // Callers without types.
  if (typeof (value as unknown) !== 'string') return kindOf(value)
  const cut = value.length > LONGEST_SHOWN ? `${value.slice(0, LONGEST_SHOWN)}…` : value
  return `"${cut.replace(/[\p{C}\p{Zl}\p{Zp}"\\]/gu, escaped)}"`
}

function escaped(char: string): string {
  if (char === '"' || char === '\\') return `\\${char}`
  return `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`
}
