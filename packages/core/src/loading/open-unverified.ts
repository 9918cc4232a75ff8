import { resolve } from 'node:path'
import { ModelSealError } from '../errors.ts'
import { revokedByClaim } from '../policy/revoked-signer.ts'
import type { Revocations } from '../policy/revocations.ts'
import { digestModel } from '../signing/sign-model.ts'
import type { SourceFile } from '../source/source-file.ts'
import type { FoundBundle, FoundModel } from './find-bundles.ts'
import { hashTypesOf, refuseRevoked } from './revoked-files.ts'
import { UnverifiedFiles } from './unverified-files.ts'

/**
 * Opens a model as it lies on disk, for a rule in the mode `skip`, or one in the mode `audit` that
 * would have refused it. A revocation holds all the same: by what bundles claim, by the root digest
 * of the files where root digests are revoked, and by the digest of each file that is read where
 * file digests are.
 *
 * @param found the bundles, where there are some
 * @param signature path of the bundle, where the caller gave one
 * @throws {@link ModelSealError} `MODEL_NOT_FOUND`, `KEY_REVOKED`, `CERTIFICATE_REVOKED`,
 * `IDENTITY_REVOKED`, `MODEL_REVOKED`, `FILE_REVOKED`, what reading throws, and where root digests are
 * revoked what {@link digestModel} throws
 */
export async function openUnverified(
  path: string,
  found: FoundModel | undefined,
  revocations: Revocations,
  { signature, signal }: { signature?: string | undefined; signal?: AbortSignal | undefined },
): Promise<UnverifiedFiles> {
  await refuseRevokedClaims(found?.bundles, revocations)
  const root = found?.source.path ?? path
  if (revocations.concernsModels) {
    const bundles = [...(found?.bundles ?? []).map((bundle) => bundle.path), ...(signature ? [resolve(signature)] : [])]
    await refuseRevokedModel(root, bundles, revocations, signal)
  }
  const algorithms = hashTypesOf(revocations)
  const refuse = (file: SourceFile) => refuseRevoked([file], algorithms, { revocations, signal })
  return UnverifiedFiles.open(root, found?.entry, refuse, signal)
}

/** Refuses a model whose bundles claim something that is revoked: nobody verified them. */
export async function refuseRevokedClaims(
  bundles: readonly FoundBundle[] = [],
  revocations: Revocations,
): Promise<void> {
  for (const candidate of bundles) {
    const revoked = 'bundle' in candidate && (await revokedByClaim(candidate.bundle, revocations))
    if (revoked) throw revoked
  }
}

/** The root digest as "modelseal digest" prints it: that of the model as its publisher signed it. */
async function refuseRevokedModel(
  path: string,
  bundles: readonly string[],
  revocations: Revocations,
  signal: AbortSignal | undefined,
): Promise<void> {
  let rootDigest: string
  try {
    // Left out even where it cannot be read, or is not there: it never counts as content.
    rootDigest = (await digestModel(path, { ignorePaths: ['model.sig', ...bundles], signal })).rootDigest
  } catch (error) {
    if (!(error instanceof ModelSealError) || error.code === 'ABORTED') throw error
    throw new ModelSealError(
      error.code,
      `The policy revokes models by their root digests, and that of this model cannot be computed. ${error.message}`,
      { file: error.file, cause: error },
    )
  }
  const revoked = revocations.rootDigest(rootDigest, undefined)
  if (revoked) throw revoked
}
