import { stat } from 'node:fs/promises'
import { basename, dirname, join, relative, resolve, sep } from 'node:path'
import { bundleTooLarge, type UnverifiedBundle } from '../../bundle/bundle.ts'
import { claimedManifest } from '../../bundle/claim.ts'
import { checkedMaxBundleBytes, readBundle } from '../../bundle/read-bundle.ts'
import { ModelSealError, shown } from '../../errors.ts'
import { UNNAMED_FILE } from '../../manifest/manifest.ts'
import { compareCodePoints } from '../../manifest/order.ts'
import type { Glob } from '../../policy/matching/glob.ts'
import type { BundlePlaces } from '../../policy/rule.ts'
import { throwIfAborted } from '../../source/aborted.ts'
import { isGone, unreadable } from '../../source/file-errors.ts'
import { entriesOf } from '../../source/local/entries.ts'
import { NAMES_PER_STEP } from '../../source/local/find-files.ts'
import { openLocalSource, type LocalSource } from '../../source/local/local-source.ts'
import { inTurns, type Steps } from '../../source/turns.ts'
import { bundlesInside, OMS_BUNDLES } from './bundles-inside.ts'

/** A bundle file that was found, parsed or not. */
export type FoundBundle = { path: string } & ({ bundle: UnverifiedBundle } | { error: ModelSealError })

/** The signed unit that a path belongs to, and its bundles. */
export interface FoundModel {
  source: LocalSource
  /** The file that was asked for, relative to the source, where the source is a directory above it. */
  entry: string | undefined
  /** In the order in which they count: at least one. */
  bundles: FoundBundle[]
}

/** How bundles are looked for. */
export interface BundleLimits {
  /** Largest size of one bundle, in bytes. Default 32 MiB. */
  maxBundleBytes?: number | undefined
  /** Where the rule says that bundles are. Default: the usual places. */
  places?: BundlePlaces | undefined
  signal?: AbortSignal | undefined
}

/** More signers than any model has; a directory full of `.sig` files costs no more than this. */
const MAX_BUNDLES = 32
/** All bundles of a load together, as a multiple of the largest: several signers of a large model have large bundles. */
const LARGE_BUNDLES = 4

/**
 * Finds the bundles of a model. For a directory: the given one, else `DIR/model.sig`, else
 * `DIR.sig`; further signers in `DIR.*.sig`. For a file: the given one, else `FILE.sig` and
 * `FILE.*.sig`, else those of the nearest directory above whose `model.sig` covers the file. Where there is none of these:
 * `*.oms.sig` in the directory, or in the nearest one above with a bundle that covers the file.
 *
 * Where a rule says where bundles are, these are looked for there instead, in the model's directory or the nearest one above.
 *
 * @throws {@link ModelSealError} `BUNDLE_NOT_FOUND`, `MODEL_TOO_LARGE`, `FILE_NOT_SIGNED` (bundles above do not cover the file), `CLAIM_TOO_LARGE`,
 * `ABORTED`, and what {@link openLocalSource} throws
 */
export async function findBundles(
  path: string,
  signature: string | undefined,
  limits: BundleLimits = {},
): Promise<FoundModel> {
  const source = await openLocalSource(path)
  if (signature !== undefined) return givenBundle(source, resolve(signature), limits)

  if (limits.places) {
    const { written, globs } = limits.places
    const placed = await bundlesByName(source, globs, limits)
    if (placed) return placed
    throw notFound(
      source,
      written.map((name) => join(source.kind === 'directory' ? source.path : dirname(source.path), name)),
    )
  }
  try {
    return await usualBundles(source, limits)
  } catch (error) {
    if (!(error instanceof ModelSealError) || (error.code !== 'BUNDLE_NOT_FOUND' && error.code !== 'FILE_NOT_SIGNED'))
      throw error
    const placed = await bundlesByName(source, OMS_BUNDLES, limits).catch(ifNotTooMuch)
    if (placed) return placed
    throw error
  }
}

/** What nobody asked for is not looked for at any price. */
function ifNotTooMuch(error: unknown): undefined {
  if (!(error instanceof ModelSealError) || error.code !== 'MODEL_TOO_LARGE') throw error
}

async function usualBundles(source: LocalSource, limits: BundleLimits): Promise<FoundModel> {
  const { signal } = limits
  const own = await (source.kind === 'directory'
    ? bundlesOfModel(source, signal)
    : bundlesBeside(source.path, `${source.path}.sig`, signal))
  if (own.length > 0) return { source, entry: undefined, bundles: await readAll(own, limits) }
  if (source.kind === 'file') return bundlesAbove(source, limits)
  throw notFound(source, [join(source.path, 'model.sig'), `${source.path}.sig`])
}

async function givenBundle(source: LocalSource, signature: string, limits: BundleLimits): Promise<FoundModel> {
  const { maxBundleBytes: maxBytes, signal } = limits
  const bundle = await readBundle(signature, { maxBytes, signal })
  const bundles = [{ path: signature, bundle }]
  const whole = { source, entry: undefined, bundles }
  if (source.kind === 'directory') return whole

  const claimed = await claimedNames(bundle, signal)
  if (claimed.size === 1 && (claimed.has(source.name) || claimed.has(UNNAMED_FILE))) return whole
  for (const directory of directoriesAbove(source.path)) {
    const entry = nameIn(directory, source.path)
    if (claimed.has(entry)) return { source: await openLocalSource(directory), entry, bundles }
  }
  throw notCovered(source, [signature])
}

async function bundlesAbove(source: LocalSource, limits: BundleLimits): Promise<FoundModel> {
  const looked: string[] = []
  for (const directory of directoriesAbove(source.path)) {
    const path = join(directory, 'model.sig')
    if (!(await exists(path))) continue
    looked.push(path)
    const entry = nameIn(directory, source.path)
    const bundles = await readAll(await bundlesOfDirectory(directory, limits.signal), limits)
    const [first] = bundles
    // A bundle that cannot be read is reported, not stepped over.
    if (first && ('error' in first || (await claimedNames(first.bundle, limits.signal)).has(entry)))
      return { source: await openLocalSource(directory), entry, bundles }
  }
  throw looked.length === 0
    ? notFound(source, [`${source.path}.sig`, join(dirname(source.path), 'model.sig')])
    : notCovered(source, looked)
}

/** Bundles in the model's directory, or in the nearest one above with a bundle that covers the file. */
async function bundlesByName(
  source: LocalSource,
  globs: readonly Glob[],
  limits: BundleLimits,
): Promise<FoundModel | undefined> {
  const inside = async (directory: string) => {
    const names = await bundlesInside(directory, globs, limits.signal)
    return readAll(
      names.slice(0, MAX_BUNDLES).map((name) => `${directory}/${name}`),
      limits,
    )
  }
  if (source.kind === 'directory') {
    const bundles = await inside(source.path)
    return bundles.length > 0 ? { source, entry: undefined, bundles } : undefined
  }
  for (const directory of directoriesAbove(source.path)) {
    const found = await inside(directory)
    if (found.length === 0) continue
    const entry = nameIn(directory, source.path)
    const own: FoundBundle[] = []
    const covering: FoundBundle[] = []
    for (const each of found) {
      if ('error' in each) continue
      const { files, modelName } = await claimedManifest(each.bundle, limits.signal)
      if (files.size === 1 && (files.has(UNNAMED_FILE) || (files.has(source.name) && modelName === source.name)))
        own.push(each)
      else if (files.has(entry)) covering.push(each)
    }
    if (own.length > 0) return { source, entry: undefined, bundles: own }
    // A bundle that cannot be read is reported, not stepped over.
    if (covering.length > 0 || found.some((each) => 'error' in each)) {
      const others = found.filter((each) => !covering.includes(each))
      return { source: await openLocalSource(directory), entry, bundles: [...covering, ...others] }
    }
  }
  return undefined
}

/**
 * What a bundle says it covers: believed only as far as to choose where to look.
 *
 * @throws {@link ModelSealError} `CLAIM_TOO_LARGE`, `ABORTED`, and what parsing a statement throws
 */
export async function claimedNames(
  bundle: UnverifiedBundle,
  signal: AbortSignal | undefined,
): Promise<ReadonlySet<string>> {
  return new Set((await claimedManifest(bundle, signal)).files.keys())
}

/** A directory that is reached by a link has neighbours at both ends; those of the path that was given come first. */
async function bundlesOfModel({ path, givenPath }: LocalSource, signal: AbortSignal | undefined): Promise<string[]> {
  const inside = await bundlesOfDirectory(givenPath, signal)
  return inside.length > 0 ? inside : bundlesOfDirectory(path, signal)
}

async function bundlesOfDirectory(directory: string, signal: AbortSignal | undefined): Promise<string[]> {
  const inside = join(directory, 'model.sig')
  return bundlesBeside(directory, (await exists(inside)) ? inside : `${directory}.sig`, signal)
}

/** The first one, if it exists, then `PATH.*.sig` by name. */
async function bundlesBeside(path: string, first: string, signal: AbortSignal | undefined): Promise<string[]> {
  const own = (await exists(first)) ? [first] : []
  const further = await inTurns(furtherBeside(path, MAX_BUNDLES - own.length), signal)
  return [...own, ...further.map((name) => join(dirname(path), name))]
}

/** The first of the names `PATH.*.sig`, in the order of code points: a directory may be full of them. */
function* furtherBeside(path: string, most: number): Steps<string[]> {
  const base = basename(path)
  const names: string[] = []
  let seen = 0
  try {
    for (const entry of entriesOf(dirname(path))) {
      if (++seen % NAMES_PER_STEP === 0) yield
      const { name } = entry
      if (!name.startsWith(`${base}.`) || !name.endsWith('.sig') || name.length <= base.length + 4) continue
      const last = names[most - 1]
      if (last !== undefined && compareCodePoints(name, last) > 0) continue
      names.push(name)
      names.sort(compareCodePoints).splice(most)
    }
  } catch (error) {
    // Of a directory that cannot be listed, the bundle by its own name can still be read.
    if (!(error instanceof ModelSealError)) throw error
    return []
  }
  return names
}

/** One after the other, and within one bound in all: anybody may have put them there. */
async function readAll(paths: readonly string[], { maxBundleBytes, signal }: BundleLimits): Promise<FoundBundle[]> {
  const found: FoundBundle[] = []
  const largest = checkedMaxBundleBytes(maxBundleBytes)
  let room = LARGE_BUNDLES * largest
  for (const path of paths) {
    throwIfAborted(signal)
    try {
      if (room === 0) throw bundleTooLarge(path, room)
      const bundle = await readBundle(path, { maxBytes: Math.min(largest, room), signal })
      room -= bundle.size
      found.push({ path, bundle })
    } catch (error) {
      if (!(error instanceof ModelSealError) || error.code === 'ABORTED') throw error
      found.push({ path, error })
    }
  }
  return found
}

function* directoriesAbove(path: string): Generator<string> {
  for (let directory = dirname(path); ; directory = dirname(directory)) {
    yield directory
    if (dirname(directory) === directory) return
  }
}

function nameIn(directory: string, path: string): string {
  return relative(directory, path).split(sep).join('/')
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path)
    return true
  } catch (error) {
    if (isGone(error)) return false
    throw unreadable(path, 'signature bundle', error)
  }
}

function notFound({ path }: LocalSource, looked: readonly string[]): ModelSealError {
  return new ModelSealError('BUNDLE_NOT_FOUND', `The model ${shown(path)} has no signature bundle.`, {
    file: path,
    expected: looked.map(shown).join(' or '),
    found: 'neither',
    hint: 'Sign the model with "modelseal sign", or fetch the bundle from its publisher.',
  })
}

function notCovered({ path }: LocalSource, looked: readonly string[]): ModelSealError {
  return new ModelSealError('FILE_NOT_SIGNED', `The file ${shown(path)} is not covered by any bundle that was found.`, {
    file: path,
    found: looked.map(shown).join(', '),
    hint: 'Sign the model again with this file in it.',
  })
}
