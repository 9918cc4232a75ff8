import { ModelSealError, shown } from '../../errors.ts'
import { withoutPrototype } from '../../snapshot.ts'
import { Contents, type FurtherDigests } from '../../manifest/contents.ts'
import type { HashOptions } from '../../hashing/hash-files.ts'
import { nameWithin } from '../../manifest/ignores.ts'
import type { Rule } from '../../policy/rule.ts'
import { SizeLimit } from '../../source/size-limit.ts'
import type { VerifiedSignature } from '../../verification/verified-signature.ts'
import type { FoundBundle, FoundModel } from '../bundles/find-bundles.ts'
import { HttpContents } from './http-contents.ts'
import type { FoundHttpModel } from './http-model.ts'
import type { AllowedIsolation } from '../placing/isolation.ts'
import type { OpenOptions } from '../open-options.ts'
import { LocalContents } from './local-contents.ts'
import type { CheckedFiles } from './served-files.ts'
import { WarmLoad } from './warm-load.ts'

/** The files of a model, and what spares a load from this machine the hashing. */
export interface OpenedContents {
  served: CheckedFiles
  /** Undefined behind HTTP, where nothing tells that a file did not change. */
  warm?: WarmLoad
}

/** A model whose signature was accepted. */
export interface AcceptedModel {
  found: FoundModel | FoundHttpModel
  signature: VerifiedSignature
  rule: Rule
  /** What each file is judged by beside its signed digest. */
  further: FurtherDigests
  /** Bundles beside those of `found`: none of them is content. */
  otherBundles?: readonly FoundBundle[]
}

/**
 * The files of an accepted manifest where they are, names compared and nothing hashed yet.
 *
 * @throws {@link ModelSealError} `FILE_NOT_SIGNED`, `FILE_MISSING`, `FILE_UNSIGNED`, `FILE_TOO_LARGE`, `FILE_MISMATCH` (sizes), `FILE_REVOKED`
 * (by a receipt), and what listing throws
 */
export async function openContents(
  { found, signature, rule, further, otherBundles = [] }: AcceptedModel,
  allowed: AllowedIsolation,
  { signal, onProgress, maxBytes, warn }: OpenOptions & Pick<HashOptions, 'warn'>,
): Promise<OpenedContents> {
  const now = Date.now()
  const { manifest } = signature
  const { entry } = found
  if (entry !== undefined && !manifest.files.has(entry)) {
    throw new ModelSealError(
      'FILE_NOT_SIGNED',
      `The file ${shown(entry)} is not covered by the signature of the model.`,
      { file: entry },
    )
  }
  if ('client' in found) return { served: new HttpContents(found, manifest, { allowed, further, onProgress }) }

  const { source, bundles } = found
  const paths = [...bundles, ...otherBundles].flatMap(pathOfBundle)
  // What the manifest names is content, whatever else it is.
  const ignored = paths.flatMap((path) => nameWithin(source, path) ?? []).filter((name) => !manifest.files.has(name))
  const ignoreUnsignedFiles = rule.require.files === 'ignore-unsigned'
  const limit = maxBytes === undefined ? undefined : new SizeLimit(maxBytes)
  const mayBeUnsigned = rule.require.unsigned
  const options = withoutPrototype({
    ignored,
    ignoreUnsignedFiles,
    mayBeUnsigned,
    signal,
    onProgress,
    further,
    limit,
    warn,
  })
  const contents = await Contents.compareNames(source, manifest, options)
  if (rule.require.files !== 'loaded') contents.checkSizes()
  const warm = await WarmLoad.start(contents, source, signature, rule, now)
  return { served: new LocalContents(contents, allowed), warm }
}

/** Nothing else than a bundle passes for one by its name, except where no other file has that name. */
function pathOfBundle(found: FoundBundle): string[] {
  return 'error' in found && !/[\\/]model\.sig$/.test(found.path) ? [] : [found.path]
}
