import { resolve } from 'node:path'
import { ModelSealError } from '../errors.ts'
import { revokedByClaim } from '../policy/revoked-signer.ts'
import type { Revocations } from '../policy/revocations.ts'
import { digestModel } from '../signing/sign-model.ts'
import { throwIfAborted } from '../source/aborted.ts'
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
 * `IDENTITY_REVOKED`, `MODEL_REVOKED`, `FILE_REVOKED`, `BUNDLE_TOO_LARGE`, `CLAIM_TOO_LARGE`, what reading throws, and where root digests are
 * revoked what {@link digestModel} throws
 */
export async function openUnverified(
  path: string,
  found: FoundModel | undefined,
  revocations: Revocations,
  { signature, signal }: { signature?: string | undefined; signal?: AbortSignal | undefined },
): Promise<UnverifiedFiles> {
  await refuseRevokedClaims(found?.bundles, revocations, signal)
  const root = found?.source.path ?? path
  if (revocations.concernsModels) {
    const bundles = [...(found?.bundles ?? []).map((bundle) => bundle.path), ...(signature ? [resolve(signature)] : [])]
    await refuseRevokedModel(root, bundles, revocations, signal)
  }
  const algorithms = hashTypesOf(revocations)
  const refuse = (file: SourceFile) => refuseRevoked([file], algorithms, { revocations, signal })
  return UnverifiedFiles.open(root, found?.entry, refuse, signal)
}

/**
 * Refuses a model whose bundles claim something that is revoked, although nobody verified them; and one
 * with a bundle that is too large to be looked at, where something is revoked that it could claim.
 *
 * @throws {@link ModelSealError} `KEY_REVOKED`, `CERTIFICATE_REVOKED`, `IDENTITY_REVOKED`, `MODEL_REVOKED`, `BUNDLE_TOO_LARGE`,
 * `CLAIM_TOO_LARGE`, `ABORTED`
 */
export async function refuseRevokedClaims(
  bundles: readonly FoundBundle[] = [],
  revocations: Revocations,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (!concernsClaims(revocations)) return
  for (const candidate of bundles) {
    throwIfAborted(signal)
    if ('error' in candidate) {
      if (candidate.error.code === 'BUNDLE_TOO_LARGE') throw candidate.error
      continue
    }
    const revoked = await revokedByClaim(candidate.bundle, revocations, signal)
    if (revoked) throw revoked
  }
}

/** True where something is revoked that an unverified bundle could claim. */
export function concernsClaims({ concernsSigners, concernsModels }: Revocations): boolean {
  return concernsSigners || concernsModels
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
