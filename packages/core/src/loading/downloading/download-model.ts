import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { absolutePath } from '../../absolute-path.ts'
import { ModelSealError, shown, withHint } from '../../errors.ts'
import type { Manifest } from '../../manifest/manifest.ts'
import type { AcceptedVerdict } from '../../results.ts'
import { modelLocation } from '../../source/model-location.ts'
import type { ModelSource } from '../../source/model-source.ts'
import { installedGuard } from '../guard.ts'
import { openJudged } from '../open-judged.ts'
import { openOptions, type OpenOptions } from '../open-options.ts'
import type { SavingReader } from '../model-reader.ts'
import type { OpenedModel } from '../verified-model.ts'
import type { SavedModel, SavePlace } from './saved-model.ts'

type Saved = SavedModel | undefined

/** A model that was downloaded and verified. */
export interface DownloadedModel extends SavedModel {
  readonly verdict: AcceptedVerdict
  readonly manifest: Manifest
  /** Names of all signed files, relative to the directory. */
  readonly files: readonly string[]
}

/**
 * Downloads the signed files of a model into a directory, and verifies them like `openVerifiedModel()`. Several files are
 * fetched at once, and each is hashed as it arrives and written to the disk without being kept in memory. It has its name
 * only once its digest was right.
 *
 * If the download fails or the process is killed, what has arrived stays in the directory. Another call with the same
 * directory continues it; everything that is there is hashed again. Of two calls at the same time, the second is refused. Only signed files, the bundle, and the
 * attestations of the model (`claims.jsonl`, or for a single file `FILE.claims.jsonl`) are in the directory afterwards. If the model is refused
 * after all of it has arrived, for example because a required journal cannot record it, the directory is empty.
 *
 * Unlike a load, a download is never unverified: a rule in the mode `audit` or `skip` does not apply.
 *
 * @param source as for `openVerifiedModel()`
 * @param directory path of an empty directory of this user that nobody else can write to, or of one in which a download was
 * interrupted, where everything that does not belong to the model is removed
 * @throws {@link ModelSealError} `FILE_WRITE_FAILED` (also if the disk or a quota is full), `MODEL_UNVERIFIED` under a rule
 * in the mode `skip`, and everything that `openVerifiedModel()` throws
 * @example
 * ```ts
 * import { mkdtemp, rename } from 'node:fs/promises'
 * import { downloadModel } from '@modelseal/core'
 * import '@modelseal/hub'
 *
 * const directory = await mkdtemp('models/vad-')
 * await downloadModel('hf://org/vad@v1.0', directory, { policy: 'modelseal.policy.yaml' })
 * await rename(directory, 'models/vad')
 * ```
 */
export async function downloadModel(
  source: string | URL | ModelSource,
  directory: string,
  options?: OpenOptions,
): Promise<DownloadedModel> {
  const checked = openOptions(options)
  return downloadTo({ directory: absolutePath(directory) }, modelLocation(source), checked)
}

/**
 * {@link downloadModel} to a directory that replaces another one.
 *
 * @param place absolute paths
 */
export async function downloadTo(
  { directory, replaced }: SavePlace,
  source: string | ModelSource,
  options: OpenOptions,
): Promise<DownloadedModel> {
  const arrived = { all: false }
  const load = {
    source,
    options,
    keepsBundles: true,
    gather: async ({ save }: SavingReader) => {
      const saved = await save?.(directory, replaced)
      arrived.all ||= saved !== undefined
      return saved
    },
  }
  try {
    const guard = installedGuard()
    const model = await (guard ? guard.open<Saved>(load) : openJudged<Saved>(load, [options]))
    await model.close()
    const { gathered, files } = model
    if (model.decision === 'accepted' && gathered)
      return { ...gathered, verdict: model.verdict, manifest: model.manifest, files }
    throw unverified(model)
  } catch (error) {
    // What was refused must not look like a model that was accepted.
    throw arrived.all ? await emptied(directory, error) : error
  }
}

/** @returns the error, which says so if something could not be removed */
async function emptied(directory: string, error: unknown): Promise<unknown> {
  try {
    for (const name of await readdir(directory)) await rm(join(directory, name), { recursive: true, force: true })
    return error
  } catch {
    if (!(error instanceof ModelSealError)) return error
    const hint = `Remove the directory ${shown(directory)}: it contains the model, which was refused.`
    return withHint(error, [hint, error.hint].filter(Boolean).join(' '))
  }
}

/** @returns why a rule in the mode `audit` would refuse it, or that a rule in the mode `skip` verifies nothing */
function unverified({ verdict }: OpenedModel<unknown>): ModelSealError {
  const { wouldRefuse, rule } = verdict
  if (wouldRefuse) return Object.assign(ModelSealError.revive(wouldRefuse), { verdict })
  return Object.assign(
    new ModelSealError('MODEL_UNVERIFIED', 'Cannot download the model: nothing would be verified.', {
      found: `the rule ${rule ?? ''}, whose mode is "skip"`,
      hint: 'Add a rule in the mode "enforce" for this model to the policy.',
    }),
    { verdict },
  )
}
