import { bundleTooLarge, parseOwnBundle, type UnverifiedBundle } from '../../bundle/bundle.ts'
import { checkedMaxBundleBytes, readBundle } from '../../bundle/read-bundle.ts'
import { ModelSealError, shown } from '../../errors.ts'
import { UNNAMED_FILE } from '../../manifest/manifest.ts'
import { modelUrl } from '../../policy/matching/model-url.ts'
import { plainUrl, type HttpBody } from '../../source/http/client.ts'
import { besideUrl, httpSource, isDirectory, isHttpUrl, nameBelow, parentUrl } from '../../source/http/url.ts'
import { inTurns, type Steps } from '../../source/turns.ts'
import type { BundlePlaces } from '../../policy/rule.ts'
import { claimedNames, type BundleLimits, type FoundBundle } from './find-bundles.ts'
import type { FoundHttpModel, HttpModel } from '../files/http-model.ts'

/** Each directory above costs a request. */
const MAX_DIRECTORIES_ABOVE = 8
/** Names of bundles in a rule that are asked for, in each directory. */
const MAX_NAMES = 8
/** Stores that may not be listed answer 403 for what they do not have. */
const ABSENT: ReadonlySet<number> = new Set([403, 404, 410])

/**
 * Finds the bundle of a model behind HTTP, where there is no listing. For a directory, whose URL
 * ends with a slash: the given bundle, else `DIR/model.sig`, else `DIR.sig`, else `DIR/skill.oms.sig`. For a file: the given
 * one, else `FILE.sig`, else `model.sig` beside it, else `DIR.sig` beside its directory, else `model.sig`
 * of the directories above, else `skill.oms.sig` beside the file. A bundle counts for a file where it covers it.
 *
 * All bundles that are fetched for that may together take `http.maxBytes`.
 *
 * @param signature URL or path
 * @throws {@link ModelSealError} `BUNDLE_NOT_FOUND`, `FILE_NOT_SIGNED`, `BUNDLE_TOO_LARGE`, `CLAIM_TOO_LARGE`, and what parsing and
 * `HttpClient` throw
 */
export async function findHttpBundles(
  model: HttpModel,
  signature: string | undefined,
  limits: BundleLimits = {},
): Promise<FoundHttpModel> {
  const bundles = new BundleFetcher(model, limits)
  if (signature !== undefined) return givenBundle(model, signature, bundles)
  const looked: string[] = []
  for (const { url, unit } of limits.places ? rulePlaces(model, limits.places) : places(model)) {
    const bundle = await bundles.fetch(url)
    if (!bundle) {
      looked.push(plainUrl(url))
      continue
    }
    const found = [{ path: plainUrl(url), ...bundle }]
    if (unit === model.source.url) return { ...model, entry: undefined, bundles: found }
    const entry = nameBelow(unit, model.source.url)
    if ('error' in bundle || (await claimedNames(bundle.bundle, limits.signal)).has(entry))
      return inDirectory(model, unit, entry, found)
    looked.push(plainUrl(url))
  }
  throw notFound(model, looked)
}

/** Where a bundle may be, and the URL of what it would be about: this file or a directory. */
function* places({ source }: HttpModel): Generator<{ url: URL; unit: URL }> {
  const { url } = source
  if (isDirectory(source)) {
    yield { url: besideUrl(url, '/model.sig'), unit: url }
    if (url.pathname !== '/') yield { url: besideUrl(url, '.sig'), unit: url }
    yield { url: besideUrl(url, '/skill.oms.sig'), unit: url }
    return
  }
  yield { url: besideUrl(url, '.sig'), unit: url }
  let directory = parentUrl(url)
  for (let count = 0; directory && count < MAX_DIRECTORIES_ABOVE; count += 1) {
    yield { url: besideUrl(directory, '/model.sig'), unit: directory }
    if (count === 0 && directory.pathname !== '/') yield { url: besideUrl(directory, '.sig'), unit: directory }
    directory = parentUrl(directory)
  }
  // Last, so that it costs nobody a request whose bundle is in one of the usual places.
  const beside = parentUrl(url)
  if (beside) yield { url: besideUrl(beside, '/skill.oms.sig'), unit: beside }
}

/** Names without wildcards only: there is no listing. */
function* rulePlaces({ source }: HttpModel, { globs }: BundlePlaces): Generator<{ url: URL; unit: URL }> {
  const names = globs
    .flatMap(({ spelled }) => spelled)
    .filter((components) => !components.includes(undefined))
    .map((components) => components.map((component) => encodeURIComponent(component ?? '')).join('/'))
    .slice(0, MAX_NAMES)
  const { url } = source
  let directory = isDirectory(source) ? url : parentUrl(url)
  for (let count = 0; directory && count <= MAX_DIRECTORIES_ABOVE; count += 1) {
    for (const name of names) yield { url: besideUrl(directory, `/${name}`), unit: directory }
    directory = isDirectory(source) ? undefined : parentUrl(directory)
  }
}

async function givenBundle(model: HttpModel, signature: string, fetcher: BundleFetcher): Promise<FoundHttpModel> {
  const { source } = model
  const { maxBytes, signal } = fetcher
  const found = isHttpUrl(signature)
    ? await bundleAt(model, signature, fetcher)
    : { path: signature, bundle: await readBundle(signature, { maxBytes, signal }) }
  const bundles = [found]
  const whole = { ...model, entry: undefined, bundles }
  if (isDirectory(source)) return whole

  const claimed = await claimedNames(found.bundle, signal)
  if (claimed.size === 1 && (claimed.has(source.name) || claimed.has(UNNAMED_FILE))) return whole
  for (let directory = parentUrl(source.url); directory; directory = parentUrl(directory)) {
    const entry = nameBelow(directory, source.url)
    if (claimed.has(entry)) return inDirectory(model, directory, entry, bundles)
  }
  throw notCovered(model, found.path)
}

async function bundleAt(
  model: HttpModel,
  signature: string,
  fetcher: BundleFetcher,
): Promise<{ path: string; bundle: UnverifiedBundle }> {
  const path = modelUrl(signature, 'option "signature"')
  const found = await fetcher.fetch(new URL(signature))
  if (!found) throw notFound(model, [path])
  if ('error' in found) throw found.error
  return { path, ...found }
}

function inDirectory(model: HttpModel, directory: URL, entry: string, bundles: FoundBundle[]): FoundHttpModel {
  return { ...model, source: httpSource(directory), entry, bundles }
}

/** Fetches bundles, and counts their bytes as they are after decompression. */
class BundleFetcher {
  /** Of one bundle. */
  readonly maxBytes: number
  readonly signal: AbortSignal | undefined
  readonly #model: HttpModel
  /** What is left for all that are fetched. */
  #room: number

  constructor(model: HttpModel, { maxBundleBytes, signal }: BundleLimits) {
    this.maxBytes = checkedMaxBundleBytes(maxBundleBytes)
    this.signal = signal
    this.#model = model
    this.#room = model.options.maxBytes
  }

  /**
   * @returns undefined where there is none
   * @throws {@link ModelSealError} `BUNDLE_TOO_LARGE`, `ABORTED`, and what `HttpClient` throws
   */
  async fetch(url: URL): Promise<{ bundle: UnverifiedBundle } | { error: ModelSealError } | undefined> {
    const path = plainUrl(url)
    const request = { url, what: 'signature bundle', absent: ABSENT }
    const bytes = await this.#model.client.get(request, (body) => this.#receive(path, body))
    if (!bytes) return undefined
    try {
      return { bundle: await parseOwnBundle(bytes, path, this.signal) }
    } catch (error) {
      if (!(error instanceof ModelSealError) || error.code === 'ABORTED') throw error
      return { error }
    }
  }

  async #receive(path: string, { length, chunks }: HttpBody): Promise<Buffer> {
    if ((length ?? 0) > this.#limit) throw this.#tooLarge(path)
    const parts: Uint8Array[] = []
    let received = 0
    for await (const chunk of chunks) {
      received += chunk.length
      if (received > this.#limit) throw this.#tooLarge(path)
      parts.push(chunk)
    }
    this.#room -= received
    return inTurns(joined(parts, received), this.signal)
  }

  get #limit(): number {
    return Math.min(this.maxBytes, this.#room)
  }

  #tooLarge(path: string): ModelSealError {
    if (this.#room >= this.maxBytes) return bundleTooLarge(path, this.maxBytes)
    return new ModelSealError('BUNDLE_TOO_LARGE', `The signature bundle ${shown(path)} is too large.`, {
      file: path,
      expected: `at most ${this.#room} bytes: what is left of the ${this.#model.options.maxBytes} bytes that "http.maxBytes" allows`,
      hint: 'If this is the bundle that the publisher made, raise the option "http.maxBytes".',
    })
  }
}

/** What was received, in one buffer: to grow one meanwhile would copy all of it again and again. */
function* joined(parts: readonly Uint8Array[], length: number): Steps<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(length)
  let start = 0
  for (const part of parts) {
    bytes.set(part, start)
    start += part.length
    yield
  }
  return bytes
}

function notFound({ source }: HttpModel, looked: readonly string[]): ModelSealError {
  const path = plainUrl(source.url)
  return new ModelSealError('BUNDLE_NOT_FOUND', `The model ${shown(path)} has no signature bundle.`, {
    file: path,
    expected: looked.map((url) => shown(url)).join(' or ') || 'a bundle whose name the rule spells out',
    found: 'none that covers it',
    hint: 'Publish the bundle beside the model, or give its place in the option "signature".',
  })
}

function notCovered({ source }: HttpModel, bundle: string): ModelSealError {
  const path = plainUrl(source.url)
  return new ModelSealError('FILE_NOT_SIGNED', `The file ${shown(path)} is not covered by the bundle that was given.`, {
    file: path,
    found: shown(bundle),
    hint: 'Sign the model again with this file in it.',
  })
}
