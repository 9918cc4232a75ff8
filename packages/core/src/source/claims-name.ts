/**
 * A file with this name at the top of a model contains attestations. It is not one of the signed files, because attestations are added
 * after signing. If the manifest names it, it is content like any other file.
 */
export const CLAIMS_NAME = 'claims.jsonl'

/** For all attestations of a model. */
export const MAX_ATTESTATIONS = 1_000
/** For all of them together, in bytes. */
export const MAX_CLAIMS_BYTES = 64 * 1024 * 1024
