import { type ErrorCode } from '../../errors.ts'
import type { Revocations } from '../../policy/revocations/revocations.ts'
import { throwIfAborted } from '../../source/aborted.ts'
import { tooManyBundles, type FoundModel } from '../bundles/find-bundles.ts'

/**
 * Refuses a model whose unverified bundles claim something revoked, and a model with a bundle that was not read but could
 * claim something revoked: it is too large or complex, or there are too many.
 *
 * @throws {@link ModelSealError} `KEY_REVOKED`, `CERTIFICATE_REVOKED`, `IDENTITY_REVOKED`, `MODEL_REVOKED`,
 * `BUNDLE_TOO_LARGE`, `BUNDLES_TOO_MANY`, `JSON_TOO_COMPLEX`, `CLAIM_TOO_LARGE`, `ABORTED`
 */
export async function refuseRevokedClaims(
  found: FoundModel | undefined,
  revocations: Revocations,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (!found || !concernsClaims(revocations)) return
  const { revokedByClaim } = await import('../../policy/revocations/revoked-signer.ts')
  for (const candidate of found.bundles) {
    throwIfAborted(signal)
    if ('error' in candidate) {
      if (NOT_LOOKED_AT.has(candidate.error.code)) throw candidate.error
      continue
    }
    const revoked = await revokedByClaim(candidate.bundle, revocations, signal)
    if (revoked) throw revoked
  }
  if (found.unread !== undefined) throw tooManyBundles(found.unread)
}

/** The claims of such a bundle are unknown. Any other error means that it claims nothing. */
const NOT_LOOKED_AT: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['BUNDLE_TOO_LARGE', 'JSON_TOO_COMPLEX'])

/** True if something is revoked that an unverified bundle could claim. */
export function concernsClaims({ concernsSigners, concernsModels }: Revocations): boolean {
  return concernsSigners || concernsModels
}
