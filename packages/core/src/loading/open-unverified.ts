import { ModelSealError } from '../errors.ts'
import { revokedByClaim } from '../policy/revoked-signer.ts'
import type { Revocations } from '../policy/revocations.ts'
import { digestModel } from '../signing/sign-model.ts'
import type { FoundModel } from './find-bundles.ts'
import { hashTypesOf, refuseRevoked } from './revoked-files.ts'
import { UnverifiedFiles } from './unverified-files.ts'

/**
 * Opens a model as it lies on disk, for a rule in the mode `skip`, or one in the mode `audit` that
 * would have refused it. A revocation holds all the same: by what bundles claim, by the root digest
 * of the files where root digests are revoked, and by the digest of each file that is read where
 * file digests are.
 *
 * @param found the bundles, where there are some
 * @throws {@link ModelSealError} `MODEL_NOT_FOUND`, `KEY_REVOKED`, `CERTIFICATE_REVOKED`,
 * `IDENTITY_REVOKED`, `MODEL_REVOKED`, `FILE_REVOKED`, and what reading throws
 */
export async function openUnverified(
  path: string,
  found: FoundModel | undefined,
  revocations: Revocations,
  signal: AbortSignal | undefined,
): Promise<UnverifiedFiles> {
  for (const candidate of found?.bundles ?? []) {
    const revoked = 'bundle' in candidate && (await revokedByClaim(candidate.bundle, revocations))
    if (revoked) throw revoked
  }
  const root = found?.source.path ?? path
  if (revocations.concernsModels) await refuseRevokedModel(root, found, revocations, signal)

  const algorithms = hashTypesOf(revocations)
  return UnverifiedFiles.open(root, found?.entry, (file) => refuseRevoked([file], algorithms, { revocations, signal }))
}

/** The root digest as "modelseal digest" prints it: that of the model as its publisher signed it. */
async function refuseRevokedModel(
  path: string,
  found: FoundModel | undefined,
  revocations: Revocations,
  signal: AbortSignal | undefined,
): Promise<void> {
  const ignorePaths = found?.source.kind === 'directory' ? found.bundles.map((bundle) => bundle.path) : []
  let rootDigest: string
  try {
    rootDigest = (await digestModel(path, { ignorePaths, signal })).rootDigest
  } catch (error) {
    // What cannot be signed has no root digest: an empty directory, one with links.
    if (error instanceof ModelSealError && error.code !== 'ABORTED') return
    throw error
  }
  const revoked = revocations.rootDigest(rootDigest, undefined)
  if (revoked) throw revoked
}
