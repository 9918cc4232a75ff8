import { signModel, type SignedModel, type SignOptions, type Signer } from '@modelseal/core/signing'
import { openCatalogue } from '../catalogue/read-catalogue.ts'
import { atBundlePlace, bundlePlace, type BundlePlace } from './bundle-place.ts'
import { Fleet, type FleetOptions, type FleetRun } from './fleet.ts'
import { SignedAlready, SignedBefore, unlessSigned } from './signed-before.ts'

/** How the models of a catalogue are signed: by whom, as `signModel()` does it, and with which workers. */
export interface SignCatalogueOptions
  extends
    FleetOptions,
    Pick<
      SignOptions,
      Exclude<
        keyof SignOptions,
        'signature' | 'ignorePaths' | 'onProgress' | 'signal' | 'signer' | 'trustStatedDigests'
      >
    > {
  /** Only the coordinator has it. Workers sign nothing. */
  signer: Signer
  /**
   * Directory of the bundles of models that are not on this machine. Default: beside the model, if its source can be written to (`s3://`). Models of other sources need it.
   */
  bundles?: string | undefined
  /** True to sign models again that have this signature already. Default: false. */
  again?: boolean | undefined
}

/** A model that was signed, or that had this signature already. */
export type CatalogueSigning = { signed: SignedModel } | { unchanged: { signature: string } }

/**
 * Signs the models of a catalogue. Workers hash the files; the statements are those that `signModel()` writes, and signed here. Running it again
 * continues: what was hashed is not hashed again, and a model that has this signature already is left alone.
 *
 * @param catalogue path of a file with the path or URL of a model on each line, or of a directory whose subdirectories are models; or `s3://BUCKET/PREFIX/`
 * @returns the outcome of each model, as it comes
 * @throws {@link ModelSealError} `CATALOGUE_INVALID`, `INVALID_ARGUMENT`, `FLEET_QUEUE`, `FLEET_PACKAGES`, `ABORTED`, and what the signer throws before
 * a model is read. An error about one model is its outcome
 * @example
 * ```ts
 * const signer = await keySigner({ privateKey: 'release.key' })
 * for await (const outcome of await signCatalogue('catalogue.txt', { signer })) console.log(outcome)
 * ```
 */
export async function signCatalogue(
  catalogue: string,
  options: SignCatalogueOptions,
): Promise<FleetRun<CatalogueSigning>> {
  const opened = openCatalogue(catalogue)
  await options.signer.prepare?.()
  const fleet = await Fleet.open(opened, options, Infinity)
  const before = new SignedBefore(fleet.store, fleet.key)
  const { hashType, shardSize, format, wholeFiles, allowSymlinks, ignoreGitPaths, maxBytes, signal } = options
  const { timestampAuthority, claimsInside, overwrite } = options
  const hashing = { hashType, shardSize, format, wholeFiles, allowSymlinks, ignoreGitPaths, maxBytes, signal }
  const how = { ...hashing, timestampAuthority, claimsInside, overwrite }
  const signedAt = async (place: BundlePlace, model: string, onProgress: SignOptions['onProgress']) => {
    const record = options.again ? undefined : await before.find(place)
    let statement = ''
    const signer = unlessSigned(options.signer, record, (digest) => (statement = digest))
    const { path, signature, ignorePaths } = place
    try {
      const signed = {
        ...(await signModel(model, { ...how, signature, ignorePaths, signer, onProgress })),
        signature: path,
      }
      await place.publish()
      await before.remember(signed, statement)
      return { signed }
    } catch (error) {
      if (error instanceof SignedAlready) return { unchanged: { signature: path } }
      throw atBundlePlace(error, place)
    }
  }
  return fleet.run(opened, async (model, onProgress): Promise<CatalogueSigning> => {
    const place = await bundlePlace(model, options.bundles, signal)
    try {
      return await signedAt(place, model, onProgress)
    } finally {
      await place.close()
    }
  })
}
