import { rm } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { ModelSealError, shown } from '../../errors.ts'
import { flag, listOf, required, text } from '../../kinds.ts'
import type { AcceptedVerdict } from '../../results.ts'
import { openLocalSource } from '../../source/local/local-source.ts'
import { snapshot, type Shape } from '../../snapshot.ts'
import { modelLocation, pathHere } from '../../source/model-location.ts'
import type { ModelSource } from '../../source/model-source.ts'
import { writeFileWhole } from '../../source/write-file.ts'
import { bundleNames } from '../bundles/bundle-names.ts'
import { downloadTo, type DownloadedModel } from '../downloading/download-model.ts'
import { loadOptions, openOptions, type OpenOptions } from '../open-options.ts'
import { Destination, placeOf } from './destination.ts'

/** A model, and the directory that is to contain it. */
export interface Pull {
  /** As for `openVerifiedModel()`. */
  source: string | URL | ModelSource
  /** Path of a directory that does not exist, is empty, or contains a signed model, which is replaced. */
  directory: string
}

export interface PullOptions extends OpenOptions {
  /** True to replace a directory that is neither empty nor a model, with everything in it. Default: false. */
  force?: boolean | undefined
}

/** A model that is in its directory. */
export interface PulledModel {
  /** Absolute path of the directory, without links. */
  directory: string
  verdict: AcceptedVerdict
  /** Names of the signed files, relative to the directory. */
  files: readonly string[]
  /** Names of the bundles beside them. */
  signatures: readonly string[]
  /** Number of attestations about the model beside them, in `claims.jsonl`. */
  attestations: number
}

/**
 * Downloads models, verifies them like `openVerifiedModel()`, and puts them into directories. Each directory then has exactly
 * the signed files, the bundles and the attestations of the model (`claims.jsonl`), or is unchanged if anything failed. Attestations
 * about this model that were added to `claims.jsonl` in the directory are kept.
 *
 * All models are downloaded and verified before the first directory changes. A new model is prepared beside its directory
 * and takes its place by renaming, so both need room at the same time. A mounted volume cannot be renamed: there, the
 * entries of the directory are renamed one by one, the bundle last. What a killed process left is put in order by the next
 * call for the same directory, which continues the download.
 *
 * @throws {@link ModelSealError} `DESTINATION_REFUSED`, `FILE_WRITE_FAILED`, `MODEL_UNVERIFIED` (the rule verifies
 * nothing), `INVALID_ARGUMENT`, and everything that `openVerifiedModel()` throws
 * @example
 * ```ts
 * import { pullModels } from '@modelseal/core'
 * import '@modelseal/hub'
 *
 * const [vad] = await pullModels([{ source: 'hf://org/vad@v1.0', directory: 'models/vad' }], {
 *   policy: 'modelseal.policy.yaml',
 * })
 * console.log(vad?.verdict.model.revision)
 * ```
 */
export async function pullModels(given: readonly Pull[], givenOptions?: PullOptions): Promise<PulledModel[]> {
  const { force = false, ...options } = loadOptions<PullOptions>(givenOptions, ['force'])
  flag(force, 'force')
  const checked = openOptions(options)
  const pulls = PULLS(given, 'pulls') as readonly Pull[]
  const paths = pulls.map(({ directory }) => placeOf(directory))
  await checkApart(paths, pulls)
  const destinations: Destination[] = []
  try {
    for (const path of paths) destinations.push(await Destination.at(path, force))
    const pulled: PulledModel[] = []
    for (const [index, destination] of destinations.entries()) {
      const { source } = pulls[index] as Pull
      const { model, signatures } = await destination.prepare(async (files) => {
        const downloaded = await downloadTo(
          { directory: files, replaced: destination.path },
          modelLocation(source),
          checked,
        )
        return { model: downloaded, signatures: await withAllBundles(files, downloaded) }
      })
      const { verdict, files, attestations } = model
      pulled.push({ directory: destination.path, verdict, files, signatures, attestations })
    }
    for (const destination of destinations) await destination.place()
    for (const destination of destinations) await destination.finish()
    return pulled
  } catch (error) {
    const results = await Promise.allSettled(destinations.map((destination) => destination.discard()))
    for (const result of results) if (result.status === 'rejected') throw result.reason
    throw error
  }
}

const PULL: Shape<Pull> = { source: required(modelLocation), directory: required(text) }
const PULLS = listOf((pull) => snapshot(pull as Pull, PULL, 'a pull'))

/** @throws {@link ModelSealError} `INVALID_ARGUMENT` if a directory would be replaced together with another one, or with a model */
async function checkApart(paths: readonly string[], pulls: readonly Pull[]): Promise<void> {
  const models: string[] = []
  for (const { source } of pulls) {
    const local = pathHere(source)
    if (local !== undefined) models.push((await openLocalSource(local)).path)
  }
  for (const [index, path] of paths.entries()) {
    const others = [...paths.slice(0, index), ...models]
    const other = others.find((each) => isWithin(each, path) || isWithin(path, each))
    if (other === undefined) continue
    throw new ModelSealError(
      'INVALID_ARGUMENT',
      `Cannot pull a model to ${shown(path)}: it overlaps with ${shown(other)}.`,
      { file: path, expected: 'directories that do not overlap with each other or with the models to pull' },
    )
  }
}

function isWithin(path: string, directory: string): boolean {
  return path === directory || path.startsWith(directory.endsWith(sep) ? directory : `${directory}${sep}`)
}

/**
 * If several signers count, all of their bundles are needed. They get names under which a load finds all of them, as
 * does the bundle of a model that has a file with its name.
 */
async function withAllBundles(directory: string, { signature, bundles, files }: DownloadedModel): Promise<string[]> {
  const names = bundleNames(signature, bundles.length, new Set(files))
  if (names.includes(signature)) return names
  for (const [index, bundle] of bundles.entries())
    await writeFileWhole(join(directory, names[index] ?? signature), bundle, BUNDLE)
  if (!files.includes(signature)) await rm(join(directory, signature))
  return names
}

const BUNDLE = { what: 'signature bundle', failed: 'FILE_WRITE_FAILED', mode: 0o666 } as const
