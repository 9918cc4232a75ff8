/**
 * A file with this name at the top of a model has attestations. It is not one of the signed files, because attestations are added
 * after signing. A manifest that names it makes it content like any other.
 */
export const CLAIMS_NAME = 'claims.jsonl'
