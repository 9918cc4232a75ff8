import { bundleFromJSON } from '@sigstore/bundle'
import { toSignedEntity } from '@sigstore/verify'

/**
 * The signatures of the timestamps in a bundle that verifies. Each covers everything that the authority asserted. Other
 * parts of a token, such as a copy of the authority's certificate, are not signed and not trusted.
 */
export function timestampSignatures(json: unknown): string[] {
  return toSignedEntity(bundleFromJSON(json)).timestamps.flatMap((timestamp) =>
    timestamp.$case === 'timestamp-authority' ? [timestamp.timestamp.signatureValue.toString('hex')] : [],
  )
}
