import { MAX_BUNDLE_BYTES, parseBundle, type UnverifiedBundle } from '../bundle/bundle.ts'
import { readBundle } from '../bundle/read-bundle.ts'
import { ModelSealError, shown } from '../errors.ts'
import { UNNAMED_FILE } from '../manifest/manifest.ts'
import { modelUrl } from '../policy/model-url.ts'
import { BodyBuffer } from '../source/body-buffer.ts'
import { plainUrl, type HttpClient } from '../source/http-client.ts'
import { besideUrl, httpSource, isDirectory, isHttpUrl, nameBelow, parentUrl } from '../source/http-source.ts'
import { claimedNames, type FoundBundle } from './find-bundles.ts'
import type { FoundHttpModel, HttpModel } from './http-model.ts'

/** Each directory above costs a request. */
const MAX_DIRECTORIES_ABOVE = 8
/** Stores that may not be listed answer 403 for what they do not have. */
const ABSENT: ReadonlySet<number> = new Set([403, 404, 410])

/**
 * Finds the bundle of a model behind HTTP, where there is no listing. For a directory, whose URL
 * ends with a slash: the given bundle, else `DIR/model.sig`, else `DIR.sig`. For a file: the given
 * one, else `FILE.sig`, else `model.sig` beside it, else `DIR.sig` beside its directory, else
 * `model.sig` of the directories above. A bundle counts for a file where it covers it.
 *
 * @param signature URL or path
 * @throws {@link ModelSealError} `BUNDLE_NOT_FOUND`, `FILE_NOT_SIGNED`, `BUNDLE_TOO_LARGE`, and what parsing and
 * {@link HttpClient} throw
 */
export async function findHttpBundles(model: HttpModel, signature: string | undefined): Promise<FoundHttpModel> {
  if (signature !== undefined) return givenBundle(model, signature)
  const looked: string[] = []
  for (const { url, unit } of places(model)) {
    const bundle = await fetchBundle(model.client, url)
    if (!bundle) {
      looked.push(plainUrl(url))
      continue
    }
    const found = [{ path: plainUrl(url), ...bundle }]
    if (unit === model.source.url) return { ...model, bundles: found }
    const entry = nameBelow(unit, model.source.url)
    if ('error' in bundle || claimedNames(bundle.bundle).has(entry)) return inDirectory(model, unit, entry, found)
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
    return
  }
  yield { url: besideUrl(url, '.sig'), unit: url }
  let directory = parentUrl(url)
  for (let count = 0; directory && count < MAX_DIRECTORIES_ABOVE; count += 1) {
    yield { url: besideUrl(directory, '/model.sig'), unit: directory }
    if (count === 0 && directory.pathname !== '/') yield { url: besideUrl(directory, '.sig'), unit: directory }
    directory = parentUrl(directory)
  }
}

async function givenBundle(model: HttpModel, signature: string): Promise<FoundHttpModel> {
  const { source } = model
  const found = isHttpUrl(signature)
    ? await bundleAt(model, signature)
    : { path: signature, bundle: await readBundle(signature) }
  const bundles = [found]
  if (isDirectory(source)) return { ...model, bundles }

  const claimed = claimedNames(found.bundle)
  if (claimed.size === 1 && (claimed.has(source.name) || claimed.has(UNNAMED_FILE))) return { ...model, bundles }
  for (let directory = parentUrl(source.url); directory; directory = parentUrl(directory)) {
    const entry = nameBelow(directory, source.url)
    if (claimed.has(entry)) return inDirectory(model, directory, entry, bundles)
  }
  throw notCovered(model, found.path)
}

async function bundleAt(model: HttpModel, signature: string): Promise<{ path: string; bundle: UnverifiedBundle }> {
  const path = modelUrl(signature, 'option "signature"')
  const found = await fetchBundle(model.client, new URL(signature))
  if (!found) throw notFound(model, [path])
  if ('error' in found) throw found.error
  return { path, ...found }
}

function inDirectory(model: HttpModel, directory: URL, entry: string, bundles: FoundBundle[]): FoundHttpModel {
  return { ...model, source: httpSource(directory), entry, bundles }
}

/** @returns undefined where there is none */
async function fetchBundle(
  client: HttpClient,
  url: URL,
): Promise<{ bundle: UnverifiedBundle } | { error: ModelSealError } | undefined> {
  const path = plainUrl(url)
  const bytes = await client.get({ url, what: 'signature bundle', absent: ABSENT }, async ({ length, chunks }) => {
    if ((length ?? 0) > MAX_BUNDLE_BYTES) throw tooLarge(path)
    const buffer = new BodyBuffer(path, length)
    let received = 0
    for await (const chunk of chunks) {
      received += chunk.length
      if (received > MAX_BUNDLE_BYTES) throw tooLarge(path)
      buffer.add(chunk)
    }
    return buffer.finish()
  })
  if (!bytes) return undefined
  try {
    return { bundle: parseBundle(Buffer.from(bytes.buffer), path) }
  } catch (error) {
    if (error instanceof ModelSealError) return { error }
    throw error
  }
}

function tooLarge(path: string): ModelSealError {
  return new ModelSealError('BUNDLE_TOO_LARGE', `The signature bundle ${shown(path)} is too large.`, {
    file: path,
    expected: `at most ${MAX_BUNDLE_BYTES} bytes`,
  })
}

function notFound({ source }: HttpModel, looked: readonly string[]): ModelSealError {
  const path = plainUrl(source.url)
  return new ModelSealError('BUNDLE_NOT_FOUND', `The model ${shown(path)} has no signature bundle.`, {
    file: path,
    expected: looked.map((url) => shown(url)).join(' or '),
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
