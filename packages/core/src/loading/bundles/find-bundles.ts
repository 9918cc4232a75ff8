import { absolutePath, schemeOf } from '../../absolute-path.ts'
import type { FoundBundle, UnverifiedBundle } from '../../bundle/bundle.ts'
import { claimedStatement } from '../../bundle/claim.ts'
import { checkedMaxBundleBytes, readBundleWithBytes } from '../../bundle/read-bundle.ts'
import { ModelSealError, shown } from '../../errors.ts'
import { UNNAMED_FILE } from '../../manifest/manifest.ts'
import { compileGlob } from '../../policy/matching/glob.ts'
import { modelUrl } from '../../policy/matching/model-url.ts'
import type { BundlePlaces } from '../../policy/rule.ts'
import { MAX_BUNDLES } from '../../source/answers/source-answers.ts'
import type { BundleGroup, ModelDirectory, ModelFiles, NamePattern } from '../../source/model-source.ts'
import type { OpenedSource } from '../../source/opened-source.ts'
import { BundleReader } from './bundle-reader.ts'

/** The signed model that a path belongs to, and its bundles. */
export interface FoundModel {
  files: ModelFiles
  /** The requested file, relative to the model, if the model is a directory above it. */
  entry: string | undefined
  /** At least one, in order of precedence. */
  bundles: FoundBundle[]
  /** The first bundle that was not read, since there are too many. */
  unread?: string | undefined
}

/** Where to look for bundles, and their maximum size. */
interface BundleLimits {
  /** Maximum size of one bundle, in bytes. Default: 32 MiB. */
  maxBundleBytes?: number | undefined
  /** The places that the rule names. Default: the usual places. */
  places?: BundlePlaces | undefined
  signal?: AbortSignal | undefined
  /** What is done with the model, for messages. Default: `load`. */
  verb?: 'load' | 'attest' | 'inspect' | 'verify' | undefined
  /** Whether the bytes of bundles are kept. */
  keeps?: boolean | undefined
}

/** Where publishers put signatures besides the usual places. */
const OMS_BUNDLES: readonly NamePattern[] = [compileGlob('*.oms.sig')]

/**
 * Finds the bundles of a model: the given one, or else those in the places that the rule names, or else those in the
 * usual places of its source. If there are none, `*.oms.sig` in the directory, or in the nearest one above with a
 * bundle that covers the file.
 *
 * @param signature a path, or a location in the format of the source
 * @throws {@link ModelSealError} `BUNDLE_NOT_FOUND` (caused by `MODEL_TOO_LARGE` if not all places could be searched),
 * `BUNDLES_TOO_MANY`, `MODEL_TOO_LARGE`, `FILE_NOT_SIGNED` (no bundle found covers the
 * file), `BUNDLE_TOO_LARGE`, `CLAIM_TOO_LARGE`, `ABORTED`, and what the source throws
 */
export async function findBundles(
  source: OpenedSource,
  signature: string | undefined,
  limits: BundleLimits = {},
): Promise<FoundModel> {
  const search = new Search(source, limits)
  if (signature !== undefined) return search.given(signature)
  if (limits.places) {
    const { globs, written } = limits.places
    const placed = await search.among(globs)
    if (placed) return placed
    throw search.tooMany ?? (await search.failure(written))
  }
  const usual = await search.among(undefined)
  if (usual) return usual
  const failure = await search.failure()
  try {
    const placed = await search.among(OMS_BUNDLES)
    if (placed) return placed
  } catch (error) {
    // The search for OMS_BUNDLES is optional, so it gives up if there are too many entries.
    if (!(error instanceof ModelSealError) || error.code !== 'MODEL_TOO_LARGE') throw error
    failure.cause = error
  }
  throw search.tooMany ?? failure
}

class Search {
  readonly #source: OpenedSource
  readonly #limits: BundleLimits
  readonly #reader: BundleReader
  /** Where a bundle could have been. */
  readonly #looked: string[] = []
  /** Bundles that do not cover the requested file. */
  readonly #uncovering: FoundBundle[] = []
  /** A directory inside the model that has a bundle. */
  #nested: string | undefined
  #unread: string | undefined

  constructor(source: OpenedSource, limits: BundleLimits) {
    this.#source = source
    this.#limits = limits
    const { maxBundleBytes, signal, keeps } = limits
    this.#reader = new BundleReader(source, { maxBytes: checkedMaxBundleBytes(maxBundleBytes), signal, keeps })
  }

  /** @returns undefined if there is none */
  async among(names: readonly NamePattern[] | undefined): Promise<FoundModel | undefined> {
    for await (const group of this.#source.bundles(names)) {
      const { found, absent, unread } = await this.#reader.readAll(group.candidates)
      this.#looked.push(...(group.looked ?? absent))
      this.#nested ??= group.nested
      this.#unread ??= unread
      const [first] = found
      if (!first) continue
      const model = await this.#about(group, found)
      if (model) return { ...model, unread: this.#unread }
      this.#uncovering.push(first)
    }
    return undefined
  }

  async given(signature: string): Promise<FoundModel> {
    const model = await this.#source.model()
    const { found, bundle } = await this.#givenBundle(signature)
    const whole = { files: model, entry: undefined, bundles: [found] }
    if (!model.isFile) return whole
    const { files: claimed } = await claimedStatement(bundle, this.#limits.signal)
    if (claimed.size === 1 && (claimed.has(model.name) || claimed.has(UNNAMED_FILE))) return whole
    for await (const directory of this.#source.directories())
      if (claimed.has(directory.entry)) return this.#inDirectory(directory, [found])
    this.#uncovering.push(found)
    throw await this.failure()
  }

  /** Why the bundle may be one that was not read; undefined if all were. */
  get tooMany(): ModelSealError | undefined {
    return this.#unread === undefined ? undefined : tooManyBundles(this.#unread)
  }

  /** @param written the places as written in the rule */
  async failure(written: readonly string[] = []): Promise<ModelSealError> {
    const { path } = await this.#source.model()
    return this.#uncovering.length > 0
      ? notCovered(path, this.#uncovering, await this.#modelsOf(this.#uncovering))
      : this.#notFound(path, this.#looked.length > 0 ? this.#looked : written)
  }

  /** The names that these bundles claim for their models. */
  async #modelsOf(bundles: readonly FoundBundle[]): Promise<string[]> {
    const names = new Set<string>()
    for (const found of bundles)
      if ('bundle' in found) names.add((await claimedStatement(found.bundle, this.#limits.signal)).modelName)
    return [...names]
  }

  async #givenBundle(signature: string): Promise<{ found: FoundBundle; bundle: UnverifiedBundle }> {
    // Checked so that messages cannot contain credentials.
    if (schemeOf(signature) !== undefined) modelUrl(signature, 'option "signature"')
    const candidate = this.#source.bundleAt(signature)
    if (!candidate) {
      const path = absolutePath(signature)
      const { maxBundleBytes: maxBytes, signal, keeps } = this.#limits
      const { bundle, bytes } = await readBundleWithBytes(path, { maxBytes, signal })
      return { found: keeps ? { path, bundle, bytes } : { path, bundle }, bundle }
    }
    const [found] = (await this.#reader.readAll([candidate])).found
    if (!found) throw this.#notFound((await this.#source.model()).path, [candidate.path])
    if ('error' in found) throw found.error
    return { found, bundle: found.bundle }
  }

  /** The model that the bundles of a group sign; undefined if they do not cover the requested file. */
  async #about({ directory, unordered }: BundleGroup, found: FoundBundle[]): Promise<FoundModel | undefined> {
    if (!directory) return { files: await this.#source.model(), entry: undefined, bundles: found }
    // A bundle that cannot be read is reported, not skipped.
    if (unordered) return this.#sorted(directory, found)
    const [first] = found
    if (!first || !('error' in first || (await this.#covers(first.bundle, directory)))) return undefined
    return this.#inDirectory(directory, found)
  }

  /** Among unordered bundles, those over the file alone count; otherwise, those over the directory come first. */
  async #sorted(directory: ModelDirectory, found: readonly FoundBundle[]): Promise<FoundModel | undefined> {
    const model = await this.#source.model()
    const own: FoundBundle[] = []
    const covering: FoundBundle[] = []
    for (const each of found) {
      if ('error' in each) continue
      const { files, modelName } = await claimedStatement(each.bundle, this.#limits.signal)
      const isNamed = files.has(model.name) && modelName === model.name
      if (files.size === 1 && (files.has(UNNAMED_FILE) || isNamed)) own.push(each)
      else if (files.has(directory.entry)) covering.push(each)
    }
    const unreadable = found.filter((each) => 'error' in each)
    if (own.length > 0) return { files: model, entry: undefined, bundles: [...own, ...unreadable] }
    if (covering.length === 0 && unreadable.length === 0) return undefined
    return this.#inDirectory(directory, [...covering, ...found.filter((each) => !covering.includes(each))])
  }

  async #covers(bundle: UnverifiedBundle, { entry }: ModelDirectory): Promise<boolean> {
    return (await claimedStatement(bundle, this.#limits.signal)).files.has(entry)
  }

  async #inDirectory(directory: ModelDirectory, bundles: FoundBundle[]): Promise<FoundModel> {
    const files = await this.#source.reader.ask(
      'directory of the model',
      () => directory.files(),
      (given) => given,
    )
    return { files, entry: directory.entry, bundles }
  }

  #notFound(path: string, looked: readonly string[]): ModelSealError {
    const { verb = 'load' } = this.#limits
    const nested = this.#nested
    return new ModelSealError(
      'BUNDLE_NOT_FOUND',
      `Cannot ${verb} the model ${shown(path)}: it has no signature bundle.`,
      {
        file: path,
        expected: looked.map((place) => shown(place)).join(' or ') || 'a bundle with a name that the rule lists',
        found: 'no bundle that covers it',
        hint:
          nested === undefined
            ? (UNENDED_DIRECTORY.test(path) ? 'If this is the URL of a directory, end it with "/". ' : '') +
              'Fetch the bundle from the publisher of the model, sign the model with "modelseal sign", or pass the path of the bundle in the option "signature" (on the command line, --signature).'
            : `The directory ${shown(nested)} in it has a bundle. If that is the model, give its path.`,
      },
    )
  }
}

/** The URL of a file without an extension, or of a directory that was given like a file. */
const UNENDED_DIRECTORY = /^https?:\/\/[^/]+\/(?:.*\/)?[^/.]+$/i

export function tooManyBundles(unread: string): ModelSealError {
  return new ModelSealError(
    'BUNDLES_TOO_MANY',
    `Cannot look at the signature bundle ${shown(unread)}: there are too many before it.`,
    {
      file: unread,
      expected: `at most ${MAX_BUNDLES} bundles`,
      hint: 'Remove the bundles that do not belong to the model.',
    },
  )
}

/** @param models names that the bundles claim */
function notCovered(path: string, looked: readonly FoundBundle[], models: readonly string[]): ModelSealError {
  const [model, ...others] = models
  const whose =
    model === undefined || others.length > 0
      ? ''
      : `The bundle belongs to the model ${shown(model)}, which does not contain this file. Use the bundle of this file, or, if the file belongs to that model, s`
  return new ModelSealError(
    'FILE_NOT_SIGNED',
    `Cannot load the file ${shown(path)}: none of the bundles found covers it.`,
    {
      file: path,
      found: looked.map((bundle) => shown(bundle.path)).join(', '),
      hint: `${whose || 'S'}ign the model again, including this file.`,
    },
  )
}
