/**
 * Every refusal of modelseal, by code. The codes are stable: programs may branch on them.
 */
export const ERROR_CODES = {
  // The call
  INVALID_ARGUMENT: 'an argument or option of the call is missing, of the wrong kind, or out of range',
  ABORTED: 'the caller aborted the operation',

  // JSON, in a bundle, a statement or a policy
  JSON_INVALID: 'the text is empty, truncated or not JSON',
  JSON_NOT_UTF8: 'the text is not valid UTF-8, or begins with a byte order mark',
  JSON_DUPLICATE_KEY: 'an object contains the same key twice, so two readers could see two meanings',
  JSON_TOO_COMPLEX: 'the text is nested too deeply or contains too many values',

  // The bundle and its content
  BUNDLE_NOT_FOUND: 'no signature bundle was found for the model',
  BUNDLE_TOO_LARGE: 'the bundle is larger than the limit',
  BUNDLES_TOO_MANY: 'there are more bundles than are read, and one of the others may matter',
  CLAIM_TOO_LARGE: 'a statement is too large to be read before its signature is verified',
  BUNDLE_MALFORMED: 'the bundle has a missing field, an extra field, or a field of the wrong type',
  BUNDLE_MEDIA_TYPE: 'the bundle does not have a known Sigstore bundle media type',
  BASE64_INVALID: 'a field is not canonical base64',
  SIGNATURE_COUNT: 'the envelope does not contain exactly one signature',
  PAYLOAD_TYPE: 'the envelope does not contain an in-toto statement',
  STATEMENT_MALFORMED: 'the statement has a missing field, an extra field, or a field of the wrong type',
  STATEMENT_TYPE: 'the payload is not an in-toto Statement v1',
  PREDICATE_TYPE: 'the statement is not an OpenSSF Model Signing statement',
  ATTESTATION_MALFORMED: 'the content of an attestation is not what its type prescribes',
  ATTESTATION_SUBJECT: 'an attestation is about another model',
  ATTESTATION_MISSING: 'the model has no attestation of a type that the rule requires',
  ATTESTATION_CONDITION: 'an attestation does not meet a condition of the rule',
  ATTESTATION_RESULT_FAILED:
    'an evaluation or a verification summary states that the model failed, and the rule has no condition about its result',
  ATTESTATION_TOO_OLD: 'an attestation states no time, one in the future, or one that is too long ago',
  ATTESTATION_THRESHOLD: 'too few distinct signers made an attestation that the rule requires',
  ATTESTATION_REVOKED: 'the policy revokes an attestation, or its signer',
  ATTESTATIONS_TOO_LARGE: 'the attestations of a model are larger than the limit',
  ATTESTATIONS_TOO_MANY: 'a model has more attestations than are read',
  ATTESTATION_INPUT: 'an attestation cannot be made from the given file, options or environment',
  CYCLONEDX_UNAVAILABLE: 'the packages that validate CycloneDX documents cannot be loaded',
  SERIALIZATION_UNSUPPORTED: 'the statement was made with a method or hash type that is not supported',
  RESOURCES_EMPTY: 'the statement names no file',
  RESOURCE_NAME: 'a signed name is absolute, leaves the model, or is not in canonical form',
  RESOURCE_DUPLICATE: 'a name is signed twice',
  RESOURCE_ORDER: 'the signed names are not in the order that the standard requires',
  RESOURCE_DIGEST: 'a signed digest has the wrong algorithm, length or characters',
  ROOT_DIGEST_MISMATCH:
    'the root digest does not match the signed digests, or no bundle is of the model that was verified',

  // Keys and signatures
  KEY_INVALID: 'the file does not contain a usable key of the expected kind',
  KEY_ENCRYPTED: 'the private key is encrypted, and the password is missing or wrong',
  METHOD_MISMATCH: 'the bundle was signed with a different method than the verifier requires',
  KEY_MISMATCH: 'the bundle was signed with another key, or the certificate is for another key',
  SIGNATURE_INVALID: 'the signature does not match this key and this payload',
  SIGNATURE_EXISTS: 'the path of the bundle already contains another file, or the bundle of another model',
  SIGNATURE_WRITE_FAILED: 'the bundle could not be written',

  // Certificates, revocation lists and timestamps
  CERTIFICATE_INVALID: 'a certificate cannot be read, or is malformed',
  CERTIFICATE_EXPIRED: 'a certificate in the chain had expired at the time of the signature',
  CERTIFICATE_NOT_YET_VALID: 'a certificate in the chain was not yet valid at the time of the signature',
  CERTIFICATE_USAGE: 'the certificate is not for signing, or an authority may not issue certificates for signing',
  CERTIFICATE_EXTENSION: 'a certificate in the chain has a critical extension that is not supported',
  CERTIFICATE_WEAK: 'a certificate in the chain was signed with an algorithm or key that is too weak',
  CERTIFICATE_REVOKED: 'a certificate in the chain was revoked by its authority or by the policy',
  CHAIN_NO_PATH: 'no certificate chain leads from the signer to a trusted root',
  CHAIN_TOO_LARGE: 'there are more certificates, revocation lists or signatures to check than any real chain needs',
  CHAIN_NOT_CA: "a certificate in the chain was issued by a certificate that is not an authority's",
  CHAIN_PATH_LENGTH: 'the chain has more authorities than one of them allows below it',
  CHAIN_NAME_CONSTRAINT: 'a certificate in the chain has a name that an authority above it may not certify',
  CHAIN_INVALID: 'the certificate chain is not valid under the rules of RFC 5280',
  CRL_INVALID: 'a revocation list cannot be read or verified',
  CRL_STALE: 'a revocation list is not current',
  CRL_MISSING: 'revocation lists were given, but none by the authority that issued the certificate',
  TIMESTAMP_INVALID: 'a timestamp in the bundle is malformed, forged, or for another signature',
  TIMESTAMP_UNTRUSTED: 'a timestamp in the bundle is not from a trusted timestamp authority',
  TSA_UNREACHABLE: 'the timestamp authority could not be reached or did not answer in time',
  TSA_REFUSED: 'the timestamp authority refused to issue a timestamp',
  TSA_RESPONSE: 'the timestamp authority sent an unexpected response',

  // Keys on tokens
  PKCS11_UNAVAILABLE: 'the optional package for PKCS#11 is not installed or was not built',
  PKCS11_URI_INVALID: 'the PKCS#11 URI does not conform to RFC 7512, or does not name a key to sign with',
  PKCS11_MODULE: 'the PKCS#11 module is missing, or the file is not a PKCS#11 module',
  PKCS11_NOT_FOUND: 'no token, or no key on it, matches the PKCS#11 URI',
  PKCS11_AMBIGUOUS: 'several tokens, or several keys, match the PKCS#11 URI',
  PKCS11_PIN: 'the PIN of the token is missing, unusable or wrong',
  PKCS11_PIN_LOCKED: 'the token is locked after too many wrong PINs',
  PKCS11_FAILED: 'the token failed, or created a signature that does not verify',

  // Sigstore
  SIGSTORE_UNAVAILABLE: 'the package that signs with Sigstore cannot be loaded',
  TOKEN_MISSING: 'no identity token was given, and the environment does not provide one',
  TOKEN_INVALID: 'the identity token is malformed, or the identity provider did not issue one',
  TOKEN_EXPIRED: 'the identity token has expired or is not yet valid',
  TOKEN_AUDIENCE: 'the identity token is for another service',
  SIGNING_CONFIG_INVALID: 'the signing configuration lacks a service that is needed for a valid signature',
  SERVICE_UNREACHABLE: 'a service of a Sigstore instance could not be reached or did not answer in time',
  SERVICE_REFUSED: 'a service of a Sigstore instance refused the request or sent an unexpected response',
  TRUST_ROOT_INVALID: 'the Sigstore trusted root cannot be read or is malformed',
  TRUST_ROOT_MISSING: 'no trusted root of this Sigstore instance is included, and none has been fetched',
  TUF_EXPIRED: 'the metadata of the TUF repository for trusted roots has expired',
  TUF_ROLLBACK: 'the TUF repository for trusted roots returned an older version than before',
  TUF_SIGNATURE: 'the metadata of the TUF repository for trusted roots lacks required signatures',
  TUF_INVALID: 'the TUF repository for trusted roots returned something that its metadata does not authorize',
  IDENTITY_MISMATCH: 'the model was signed by an identity other than the required one',
  ISSUER_MISMATCH: 'the identity of the signer is from an issuer other than the required one',
  CERTIFICATE_CONDITION: 'the certificate lacks a required extension, or the extension has another value',
  SCT_INVALID: 'the certificate has no valid proof from a trusted certificate transparency log',
  LOG_UNTRUSTED:
    'the trusted root does not name the transparency log of an entry, or its key was not valid at that time',
  LOG_ENTRY_MISMATCH: 'an entry in the transparency log is for another signature or certificate',
  LOG_INCLUSION_INVALID: 'the proof that an entry is in the transparency log is not valid',
  LOG_CHECKPOINT_INVALID:
    'a checkpoint of a transparency log is malformed, is not signed by the log, or is of another log',
  LOG_ROLLBACK: 'a transparency log has fewer entries than it had before',
  LOG_INCONSISTENT: 'a transparency log no longer contains what it contained, or serves entries that it did not sign',
  TIME_MISSING:
    'no trusted source states when the signature was made, so its short-lived certificate cannot be verified',

  // The model on disk
  MODEL_NOT_FOUND: 'there is no model at the given path',
  MODEL_EMPTY: 'there are no files to sign or to verify',
  MODEL_TOO_LARGE: 'the model has more files or deeper directories than are supported',
  FILE_UNREADABLE: 'a file could not be opened or read',
  FILE_NOT_FOUND: 'a required file does not exist',
  FILE_TOO_LARGE: 'a file is larger than its purpose allows',
  FILE_WRITE_FAILED: 'a file other than a bundle could not be written',
  DESTINATION_REFUSED:
    'the directory that a model is pulled to contains something that no bundle in it signs, or is in use',
  CACHE_UNSAFE: 'other users could put files into the cache directory',
  FILE_SPECIAL: 'the model contains a socket, FIFO or device',
  FILE_NAME: 'a file name is not valid UTF-8 or cannot be represented in a manifest',
  FILE_CHANGED: 'a file changed while it was read, or before it could be replaced',
  SYMLINK_REFUSED:
    'the model contains a symbolic link that the signature does not allow, or that leads out of the model',
  FILE_MISSING: 'a signed file is missing from the model',
  FILE_UNSIGNED: 'the model contains a file that nobody signed',
  FILE_MISMATCH: 'the content of a file is not what was signed',
  INTERNAL: 'the check failed unexpectedly',
  DATASET_READER_UNAVAILABLE: 'the optional package that reads a format of datasets cannot be loaded',
  DATASET_MALFORMED: 'a file of a dataset is as it was signed, but not what its format prescribes',
  HASH_UNAVAILABLE: 'the native module of a hash type is not installed',
  WORKER_FAILED: 'a hashing thread ended, or the pool of the program failed',

  // Models over HTTP
  HTTP_UNREACHABLE: 'the server of a model could not be reached or closed the connection',
  HTTP_TIMEOUT: 'the server of a model was silent for too long, or took too long overall',
  HTTP_RESPONSE: 'the server of a model sent something other than the whole file',
  HTTP_REDIRECT: 'the server of a model redirects to a location that a load does not follow',

  // The place that a model is loaded from
  SCHEME_UNKNOWN: 'no imported package provides URLs of this scheme',
  CREDENTIALS_UNAVAILABLE: 'credentials for an object store could not be obtained',
  SOURCE_FAILED: 'the source of a model failed or sent an invalid response',
  SOURCE_TIMEOUT: 'the source of a model was silent for too long, or took too long overall',
  SOURCE_LISTING: 'the source of a model lists impossible names, or too many',
  SOURCE_UNLISTED: 'the source of a model cannot list its files',

  // A fleet that signs and verifies catalogues
  CATALOGUE_INVALID: 'a catalogue cannot be read, or a line of it is not the path or URL of a model',
  FLEET_QUEUE: 'the queue of a fleet cannot be reached or used',
  FLEET_PACKAGES: 'a package that a fleet needs for its queue or its metrics cannot be loaded',
  FLEET_METRICS: 'the metrics of a fleet cannot be served at the given address',
  FLEET_JOB: 'a job of a fleet is malformed, or asks for what the worker may not read',
  FLEET_RESULT: 'no authentic result of a job came back, however often it was given out',
  FLEET_DISAGREES: 'two workers of a fleet computed different digests of the same bytes',

  // Pushing a model to a hub or registry
  PUSH_UNAVAILABLE: 'the package that uploads to the hub cannot be loaded',
  PUSH_REFUSED: 'the hub or registry does not accept the model',
  PUSH_CONFLICT: 'the branch or tag changed while the model was pushed',
  PUSH_UNPROVEN: 'the model was uploaded, but what is served is not what was signed, or could not be read',

  // The policy
  POLICY_NOT_FOUND: 'no trust policy was found',
  POLICY_UNTRUSTED: 'another user could have written the trust policy or a file that it names',
  POLICY_INVALID: 'the trust policy is not valid',
  POLICY_STALE: 'the trust policy is older than its own limit, so revocations may be missing',
  MODEL_UNVERIFIED: 'a rule in the mode skip verifies nothing, so the model is not downloaded',
  POLICY_NO_MATCH: 'no rule of the policy matches the model',
  SOURCE_UNKNOWN: 'the origin of the model is unknown, as for bytes in memory, so no signature can be found for it',
  FORMAT_UNPROVEN: 'rules differ by format, and only the unverified model says which format it has',
  NAME_AMBIGUOUS: 'a rule matches by the name of the model, and its bundles do not agree on one',
  SIGNER_NOT_TRUSTED: 'no signature of the model is by a signer that the rule accepts',
  SIGNATURE_THRESHOLD: 'fewer distinct signers signed the model than the rule requires',
  KEY_OUTSIDE_VALIDITY: 'under the policy, the key was not valid when it signed',
  TIMESTAMP_REQUIRED: 'the rule requires a trusted timestamp, and the signature has none',
  LOG_REQUIRED: 'the rule requires inclusion in a transparency log, and the signature is in none',
  SIGNATURE_TIME_UNKNOWN:
    'the rule limits the age of a signature, and nothing trusted proves that the signature is recent enough',
  SIGNATURE_TOO_OLD: 'the signature was made longer ago than the rule allows',
  REVISION_NOT_PINNED: 'the rule requires a commit or digest, and the model was named by something that can change',
  MODEL_NAME_REFUSED: 'the model was signed under a different name than the rule requires',
  ROOT_DIGEST_REFUSED: 'the root digest of the model is not the one that the rule requires',
  HASH_ALGORITHM_REFUSED: 'the model was hashed with an algorithm that the rule does not allow',
  ISOLATION_REFUSED: 'the model cannot be loaded with the isolation that the rule requires',
  MODEL_UNIDENTIFIED: 'the policy revokes root digests, and the root digest of this model cannot be computed',
  MODEL_REVOKED:
    'the policy, or an advisory feed that it follows, revokes this model by its root digest or package URL; or a change of them refuses it after it was loaded',
  FILE_REVOKED: 'the policy revokes a file of the model by its digest',
  KEY_REVOKED: 'the policy revokes the key that signed',
  IDENTITY_UNREADABLE: "the policy revokes identities, and a name in the signer's certificate cannot be read",
  IDENTITY_REVOKED: 'the policy revokes the identity that signed',

  // Advisory feeds
  ADVISORY_INVALID: 'the file is not an advisory feed, or a part of it is not understood',
  ADVISORY_ROLLBACK:
    'the source of an advisory feed serves an older version than before, or the same version with other content',
  ADVISORY_STALE: 'an advisory feed has expired, or no recent version of it is known, so denials may be missing',
  ADVISORY_TOO_LARGE: 'an advisory feed has more bytes, lines or entries than are read',

  // The journal of verdicts
  JOURNAL_INVALID:
    'a journal or its checkpoint cannot be read, is that of another journal or key, or is not private to the user; or several settings of one journal contradict each other',
  JOURNAL_ROLLBACK: 'a host, its collector or a witness has an older state of a journal than it had before',
  JOURNAL_INCONSISTENT: 'a journal contradicts what was collected from it, or cosigned, before',
  JOURNAL_FOREIGN:
    'a collector does not know the sender, the journal belongs to another host, or a witness does not know the journal',
  JOURNAL_IN_USE: 'another process collects into the directory, or sends the journal to another collector',
  JOURNAL_FAILED: 'a journal cannot be written or read; a load that must be recorded is refused then',

  // Loading
  POLICIES_DISAGREE: 'two policies judge the load and accept signatures over different models',
  RECEIPTS_UNUSABLE: 'the store of receipts is not private to this user or is not writable',
  COPY_FAILED: 'a private copy of a file for the runtime could not be written',
  FILE_NOT_SIGNED: 'the model refers to a file that its signature does not cover',
  PATH_ESCAPES: 'the model refers to a path outside its own directory',
  PATH_AMBIGUOUS: 'two ways of reading a path lead to different files',
  MODEL_FORMAT: 'the model file does not have the format that the loader reads',
  RUNTIME_UNGUARDED: 'a runtime, or a copy of one, is used in a way that cannot be checked',
  RUNTIME_FAILED: 'the runtime refused the verified model',
} as const

/** A stable name for one kind of refusal. */
export type ErrorCode = keyof typeof ERROR_CODES
