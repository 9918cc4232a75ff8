import { ModelSealError, shown } from '../errors.ts'
import type { Revocations } from '../policy/revocations.ts'
import type { FoundBundle } from './find-bundles.ts'
import { httpModel } from './http-model.ts'
import type { OpenOptions } from './open-options.ts'
import { refuseRevokedClaims } from './open-unverified.ts'
import { UnverifiedHttpFiles } from './unverified-http-files.ts'

/**
 * As `openUnverified`, for a model behind HTTP. Its files are not known without a signature, so its
 * root digest is not: a policy that revokes root digests loads none of this kind.
 *
 * @throws {@link ModelSealError} `KEY_REVOKED`, `CERTIFICATE_REVOKED`, `IDENTITY_REVOKED`, `MODEL_UNIDENTIFIED`, `CLAIM_TOO_LARGE`
 */
export async function openUnverifiedHttp(
  url: string,
  found: { bundles: readonly FoundBundle[]; entry?: string } | undefined,
  revocations: Revocations,
  options: OpenOptions,
): Promise<UnverifiedHttpFiles> {
  await refuseRevokedClaims(found?.bundles, revocations, options.signal)
  if (revocations.concernsModels) {
    throw new ModelSealError(
      'MODEL_UNIDENTIFIED',
      `The policy revokes models by their root digests, and that of ${shown(url.replace(/[?#].*$/s, ''))} cannot be computed.`,
      {
        hint: 'Load it verified, or fetch it first and load it by its path.',
      },
    )
  }
  return new UnverifiedHttpFiles(httpModel(url, options), revocations)
}
