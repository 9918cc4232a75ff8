import { resolve } from 'node:path'
import { ModelSealError, type ErrorCode } from '../../errors.ts'
import type { HashOptions } from '../../hashing/hash-files.ts'
import type { BuildOptions } from '../../manifest/build.ts'
import { Manifest } from '../../manifest/manifest.ts'
import { isWithin } from '../../manifest/names.ts'
import type { Revocations } from '../../policy/revocations/revocations.ts'
import { manifestOf } from '../../signing/sign-model.ts'
import { withoutPrototype } from '../../snapshot.ts'
import { throwIfAborted } from '../../source/aborted.ts'
import { SizeLimit } from '../../source/size-limit.ts'
import { allOf, EnteredFiles } from './entered-files.ts'
import type { FoundBundle, FoundModel } from '../bundles/find-bundles.ts'
import type { OpenOptions } from '../open-options.ts'
import { hashTypesOf, revokedBy, RevokedFiles } from './revoked-files.ts'
import type { UnrevokedClaims } from './unrevoked-claims.ts'
import { UnverifiedFiles } from './unverified-files.ts'

/**
 * Opens a model as it lies on disk, for a rule in the mode `skip`, or one in the mode `audit` that
 * would have refused it. A revocation holds all the same: by what bundles claim (see {@link refuseRevokedClaims}, which comes
 * first), by the root digest of the files where root digests are revoked, and by the digest of each file that is read where
 * file digests are.
 *
 * @param found the bundles, where there are some
 * @param revocations of all policies that judge the load
 * @throws {@link ModelSealError} `MODEL_NOT_FOUND`, `MODEL_REVOKED`, `FILE_TOO_LARGE`, what reading throws, and where root
 * digests are revoked what {@link manifestOf} throws
 */
export async function openUnverified(
  path: string,
  found: FoundModel | undefined,
  revocations: readonly Revocations[],
  options: UnverifiedOptions,
): Promise<UnverifiedFiles> {
  const { signal, isolation, maxBytes, mayBeUnsigned, warn } = options
  const root = found?.source.path ?? path
  const revoked = revocations.map((each) => new RevokedFiles(each, hashTypesOf(each)))
  const limit = maxBytes === undefined ? undefined : new SizeLimit(maxBytes)
  const manifest = await unrevokedManifest(root, found?.bundles, revocations, { ...options, limit })
  const judge = allOf(manifest ? [new EnteredFiles(manifest, mayBeUnsigned), ...revoked] : revoked)
  return UnverifiedFiles.open(root, found?.entry, judge, { signal, isolation, limit, warn })
}

type UnverifiedOptions = Pick<OpenOptions, 'signature' | 'signal' | 'isolation' | 'maxBytes'> &
  Pick<HashOptions, 'warn'> &
  Partial<Pick<UnrevokedClaims, 'mayBeUnsigned'>>

/**
 * The model as its publisher would sign it, where root digests are revoked, and its own is not. Where the rule lets some paths lie
 * unsigned, its publisher may have signed the model with them or without: neither root digest may be revoked.
 *
 * @returns undefined where none are revoked: nothing is hashed then
 * @throws {@link ModelSealError} `MODEL_REVOKED`, and what {@link manifestOf} throws
 */
export async function unrevokedManifest(
  root: string,
  found: readonly FoundBundle[] = [],
  revocations: readonly Revocations[],
  options: Pick<UnverifiedOptions, 'signature' | 'signal' | 'mayBeUnsigned'> & Pick<BuildOptions, 'limit' | 'warn'>,
): Promise<Manifest | undefined> {
  const concerned = revocations.filter(({ concernsModels }) => concernsModels)
  if (concerned.length === 0) return undefined
  const { signature, signal, limit, mayBeUnsigned, warn } = options
  // Left out even where it cannot be read, or is not there: it never counts as content.
  const bundles = [...found.map((bundle) => bundle.path), ...(signature ? [resolve(signature)] : [])]
  const building = withoutPrototype({ ignorePaths: ['model.sig', ...bundles], signal, limit, warn })
  const [manifest, ...others] = await manifestsOf(root, building, mayBeUnsigned)
  for (const each of concerned) {
    for (const { rootDigest } of [manifest, ...others]) {
      const revoked = each.rootDigest(rootDigest, undefined)
      if (revoked) throw revokedBy(each, revoked)
    }
  }
  return manifest
}

/**
 * Refuses a model whose bundles claim something that is revoked, although nobody verified them; and one
 * with a bundle that is too large or complex to be looked at, where something is revoked that it could claim.
 *
 * @throws {@link ModelSealError} `KEY_REVOKED`, `CERTIFICATE_REVOKED`, `IDENTITY_REVOKED`, `MODEL_REVOKED`, `BUNDLE_TOO_LARGE`,
 * `JSON_TOO_COMPLEX`, `CLAIM_TOO_LARGE`, `ABORTED`
 */
export async function refuseRevokedClaims(
  bundles: readonly FoundBundle[] = [],
  revocations: Revocations,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (!concernsClaims(revocations)) return
  const { revokedByClaim } = await import('../../policy/revocations/revoked-signer.ts')
  for (const candidate of bundles) {
    throwIfAborted(signal)
    if ('error' in candidate) {
      if (NOT_LOOKED_AT.has(candidate.error.code)) throw candidate.error
      continue
    }
    const revoked = await revokedByClaim(candidate.bundle, revocations, signal)
    if (revoked) throw revoked
  }
}

/** What such a bundle claims is not known; any other refusal says that it claims nothing. */
const NOT_LOOKED_AT: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['BUNDLE_TOO_LARGE', 'JSON_TOO_COMPLEX'])

/** True where something is revoked that an unverified bundle could claim. */
export function concernsClaims({ concernsSigners, concernsModels }: Revocations): boolean {
  return concernsSigners || concernsModels
}

/** With all files and, where some may lie there unsigned, without those; only without them where they cannot be hashed. */
async function manifestsOf(
  path: string,
  options: Parameters<typeof manifestOf>[1],
  mayBeUnsigned: UnverifiedOptions['mayBeUnsigned'],
): Promise<[Manifest, ...Manifest[]]> {
  if (!mayBeUnsigned) return [await digested(path, options)]
  let all: Manifest
  try {
    all = await digested(path, options)
  } catch (error) {
    if (error instanceof ModelSealError && error.code === 'ABORTED') throw error
    return [await digested(path, withoutPrototype({ ...options, leftOut: mayBeUnsigned }))]
  }
  const resources = all.resources.filter(({ name }) => !isWithin(name, mayBeUnsigned))
  if (resources.length === 0 || resources.length === all.resources.length) return [all]
  return [all, new Manifest(all.statedName, all.serialization, resources)]
}

/** With the root digest as "modelseal digest" prints it: that of the model as its publisher signed it. */
async function digested(path: string, options: Parameters<typeof manifestOf>[1]): Promise<Manifest> {
  try {
    return (await manifestOf(path, options)).manifest
  } catch (error) {
    if (!(error instanceof ModelSealError) || error.code === 'ABORTED') throw error
    throw new ModelSealError(
      error.code,
      `The policy revokes models by their root digests, and that of this model cannot be computed. ${error.message}`,
      { file: error.file, expected: error.expected, found: error.found, cause: error },
    )
  }
}
