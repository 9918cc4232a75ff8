import { bundleFromJSON } from '@sigstore/bundle'
import { toSignedEntity } from '@sigstore/verify'

/**
 * The signatures of the timestamps in a bundle that verifies. Each stands for all that its authority said: what else
 * is in a token, such as a copy of the authority's certificate, is not signed, and nothing is believed of it.
 */
export function timestampSignatures(json: unknown): string[] {
  return toSignedEntity(bundleFromJSON(json)).timestamps.flatMap((timestamp) =>
    timestamp.$case === 'timestamp-authority' ? [timestamp.timestamp.signatureValue.toString('hex')] : [],
  )
}
