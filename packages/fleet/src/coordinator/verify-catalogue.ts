import { judgeModel, type OpenOptions, type Verdict } from '@modelseal/core'
import { ModelSealError, shown } from '@modelseal/core/errors'
import { isUrl } from '../catalogue/model-line.ts'
import { openCatalogue } from '../catalogue/read-catalogue.ts'
import { bundleIn } from './bundle-place.ts'
import { Fleet, type FleetOptions, type FleetRun } from './fleet.ts'

/** Results of the last day count. */
const MAX_AGE = 24 * 3_600_000

/** By which policy the models of a catalogue are judged, and with which workers. */
export interface VerifyCatalogueOptions extends FleetOptions, Pick<OpenOptions, 'policy' | 'maxBundleBytes'> {
  /** Directory of the bundles of models that are not on this machine, if `signCatalogue()` has written them there. Default: where loads look. */
  bundles?: string | undefined
  /**
   * Milliseconds for which the digest of a file that has not changed counts: a verification that is started again continues. 0 hashes every
   * file. Default: one day.
   */
  maxAge?: number | undefined
}

/** What a load of the model would decide. */
export interface CatalogueVerdict {
  verdict: Verdict
}

/**
 * Judges the models of a catalogue by a policy, as `judgeModel()` does. Workers hash the files; digests are compared here.
 *
 * @param catalogue path of a file with the path or URL of a model on each line, or of a directory whose subdirectories are models; or `s3://BUCKET/PREFIX/`
 * @returns the verdict on each model, as it comes
 * @throws {@link ModelSealError} `CATALOGUE_INVALID`, `INVALID_ARGUMENT`, `FLEET_QUEUE`, `FLEET_PACKAGES`, `ABORTED`
 * @example
 * ```ts
 * for await (const outcome of await verifyCatalogue('catalogue.txt', { policy: 'trust-policy.yaml' })) {
 *   if (!('verdict' in outcome) || outcome.verdict.decision !== 'accepted') console.log(outcome)
 * }
 * ```
 */
export async function verifyCatalogue(
  catalogue: string,
  options: VerifyCatalogueOptions = {},
): Promise<FleetRun<CatalogueVerdict>> {
  const { maxAge = MAX_AGE } = options
  // Nothing would be older than NaN.
  if (!(typeof maxAge === 'number' && maxAge >= 0))
    throw new ModelSealError('INVALID_ARGUMENT', 'Cannot verify the catalogue: an option is wrong.', {
      expected: '"maxAge" of at least 0 milliseconds',
      found: shown(String(maxAge)),
    })
  const opened = openCatalogue(catalogue)
  const fleet = await Fleet.open(opened, options, maxAge)
  const { policy, maxBundleBytes, signal, bundles } = options
  return fleet.run(opened, async (model, onProgress): Promise<CatalogueVerdict> => {
    const signature = isUrl(model) && bundles !== undefined ? bundleIn(bundles, model) : undefined
    return { verdict: await judgeModel(model, { policy, maxBundleBytes, signature, signal, onProgress }) }
  })
}
