import { resolve } from 'node:path'
import { ModelSealError } from '../../errors.ts'
import type { HashOptions } from '../../hashing/hash-files.ts'
import type { BuildOptions } from '../../manifest/build.ts'
import { Manifest } from '../../manifest/manifest.ts'
import { isWithin } from '../../manifest/names.ts'
import type { FoundBundle } from '../../bundle/bundle.ts'
import type { Revocations } from '../../policy/revocations/revocations.ts'
import { filesOf, manifestOf } from '../../signing/digest-model.ts'
import { withoutPrototype } from '../../snapshot.ts'
import { throwIfAborted } from '../../source/aborted.ts'
import type { SourceFile } from '../../source/local/source-file.ts'
import type { OpenOptions } from '../open-options.ts'
import { revokedBy } from './revoked-files.ts'

/** How to hash an unverified model. */
interface UnverifiedHashing
  extends Pick<OpenOptions, 'signature' | 'signal'>, Pick<BuildOptions, 'limit'>, Pick<HashOptions, 'warn'> {
  /** Paths that may be unsigned; undefined if none. */
  mayBeUnsigned?: ((name: string) => boolean) | undefined
}

/**
 * If the policy revokes root digests, computes the manifest that the publisher would sign and refuses a revoked one. If
 * the rule allows unsigned paths, the publisher may have signed the model with or without them, so neither root digest
 * may be revoked.
 *
 * @returns the manifest with all files, and the one without those that may be unsigned, if it is another one; undefined if no root
 * digests are revoked: nothing is hashed then
 * @throws {@link ModelSealError} `MODEL_REVOKED`, and what {@link manifestOf} throws
 */
export async function unrevokedManifest(
  path: string,
  found: readonly FoundBundle[] = [],
  revocations: readonly Revocations[],
  options: UnverifiedHashing,
): Promise<[Manifest, ...Manifest[]] | undefined> {
  const concerned = revocations.filter(({ concernsModels }) => concernsModels)
  if (concerned.length === 0) return undefined
  const manifests = await publishedManifests(path, found, options)
  for (const each of concerned) {
    for (const { rootDigest } of manifests) {
      const revoked = each.rootDigest(rootDigest, undefined)
      if (revoked) throw revokedBy(each, revoked)
    }
  }
  return manifests
}

/**
 * The manifests that the publisher of an unverified model may have signed.
 *
 * @param found its bundles
 * @throws {@link ModelSealError} what {@link manifestOf} throws
 */
export function publishedManifests(
  path: string,
  found: readonly FoundBundle[],
  hashing: UnverifiedHashing,
): Promise<[Manifest, ...Manifest[]]> {
  return manifestsOf(path, publishing(found, hashing), hashing.mayBeUnsigned)
}

/**
 * The files that are hashed for {@link publishedManifests}, in the states in which they are now.
 *
 * @throws {@link ModelSealError} what finding files throws
 */
export async function publishedFiles(
  path: string,
  found: readonly FoundBundle[] = [],
  hashing: UnverifiedHashing,
): Promise<readonly SourceFile[]> {
  const { mayBeUnsigned } = hashing
  const options = publishing(found, hashing)
  if (!mayBeUnsigned) return filesOf(path, options)
  try {
    return await filesOf(path, options)
  } catch {
    throwIfAborted(hashing.signal)
    return filesOf(path, withoutPrototype({ ...options, leftOut: mayBeUnsigned }))
  }
}

function publishing(found: readonly FoundBundle[], { signature, signal, limit, warn }: UnverifiedHashing) {
  // Ignored even if it cannot be read or does not exist, because it never counts as content.
  const bundles = [...found.map((bundle) => bundle.path), ...(signature ? [resolve(signature)] : [])]
  return withoutPrototype({ ignorePaths: ['model.sig', ...bundles], signal, limit, warn })
}

/**
 * The manifest with all files, and the one without those that may be unsigned; only the latter if they cannot be
 * hashed.
 */
async function manifestsOf(
  path: string,
  options: Parameters<typeof manifestOf>[1],
  mayBeUnsigned: UnverifiedHashing['mayBeUnsigned'],
): Promise<[Manifest, ...Manifest[]]> {
  if (!mayBeUnsigned) return [await digested(path, options)]
  let all: Manifest
  try {
    all = await digested(path, options)
  } catch {
    throwIfAborted(options.signal)
    return [await digested(path, withoutPrototype({ ...options, leftOut: mayBeUnsigned }))]
  }
  const resources = all.resources.filter(({ name }) => !isWithin(name, mayBeUnsigned))
  if (resources.length === 0 || resources.length === all.resources.length) return [all]
  return [all, new Manifest(all.statedName, all.serialization, resources)]
}

/** Has the root digest that "modelseal digest" prints, which is that of the model as its publisher signed it. */
async function digested(path: string, options: Parameters<typeof manifestOf>[1]): Promise<Manifest> {
  try {
    return (await manifestOf(path, options)).manifest
  } catch (error) {
    if (!(error instanceof ModelSealError) || error.code === 'ABORTED') throw error
    throw new ModelSealError(
      error.code,
      `Cannot load the model: the policy revokes root digests, and the root digest of this model cannot be computed. ${error.message}`,
      { file: error.file, expected: error.expected, found: error.found, cause: error },
    )
  }
}
