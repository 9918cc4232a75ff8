import { resolve } from 'node:path'
import { ModelSealError } from '../../errors.ts'
import type { HashOptions } from '../../hashing/hash-files.ts'
import type { BuildOptions } from '../../manifest/build.ts'
import { Manifest } from '../../manifest/manifest.ts'
import { isWithin } from '../../manifest/names.ts'
import type { FoundBundle } from '../../policy/judge.ts'
import type { Revocations } from '../../policy/revocations/revocations.ts'
import { manifestOf } from '../../signing/digest-model.ts'
import { withoutPrototype } from '../../snapshot.ts'
import type { OpenOptions } from '../open-options.ts'
import { revokedBy } from './revoked-files.ts'

/** How a model is hashed that nobody verified. */
export interface UnverifiedHashing
  extends Pick<OpenOptions, 'signature' | 'signal'>, Pick<BuildOptions, 'limit'>, Pick<HashOptions, 'warn'> {
  /** What may lie in the model besides what its publisher signed; undefined where nothing may. */
  mayBeUnsigned?: ((name: string) => boolean) | undefined
}

/**
 * The model as its publisher would sign it, where root digests are revoked, and its own is not. Where the rule lets some paths lie
 * unsigned, its publisher may have signed the model with them or without: neither root digest may be revoked.
 *
 * @returns undefined where none are revoked: nothing is hashed then
 * @throws {@link ModelSealError} `MODEL_REVOKED`, and what {@link manifestOf} throws
 */
export async function unrevokedManifest(
  path: string,
  found: readonly FoundBundle[] = [],
  revocations: readonly Revocations[],
  options: UnverifiedHashing,
): Promise<Manifest | undefined> {
  const concerned = revocations.filter(({ concernsModels }) => concernsModels)
  if (concerned.length === 0) return undefined
  const { signature, signal, limit, mayBeUnsigned, warn } = options
  // Left out even where it cannot be read, or is not there: it never counts as content.
  const bundles = [...found.map((bundle) => bundle.path), ...(signature ? [resolve(signature)] : [])]
  const building = withoutPrototype({ ignorePaths: ['model.sig', ...bundles], signal, limit, warn })
  const [manifest, ...others] = await manifestsOf(path, building, mayBeUnsigned)
  for (const each of concerned) {
    for (const { rootDigest } of [manifest, ...others]) {
      const revoked = each.rootDigest(rootDigest, undefined)
      if (revoked) throw revokedBy(each, revoked)
    }
  }
  return manifest
}

/** With all files and, where some may lie there unsigned, without those; only without them where they cannot be hashed. */
async function manifestsOf(
  path: string,
  options: Parameters<typeof manifestOf>[1],
  mayBeUnsigned: UnverifiedHashing['mayBeUnsigned'],
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
