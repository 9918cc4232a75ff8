import { existsSync } from 'node:fs'
import { isUrl, kindOf, propertyOf } from '../any-realm.ts'
import { absolutePath, plainPlace, schemeOf } from '../absolute-path.ts'
import { ModelSealError, shown } from '../errors.ts'
import { withoutPrototype } from '../snapshot.ts'
import { httpModelSource } from './http/http-model-source.ts'
import type { HttpOptions } from './http/options.ts'
import { isHttpUrl } from './http/url.ts'
import { localModelSource } from './local/local-model-source.ts'
import { meantUrl } from './local/meant-url.ts'
import type { ModelPlace, ModelSource } from './model-source.ts'
import { packageScheme, sourceOfUrl } from './schemes.ts'

/**
 * Normalizes the location of a model: a path, a URL (string or `URL` object), or a source. Relative paths are resolved
 * against the current working directory.
 *
 * @returns an absolute path, an `http:` or `https:` URL, or a source: the given one, or the one for a URL whose scheme
 * a package registered
 * @throws {@link ModelSealError} `INVALID_ARGUMENT`, `SCHEME_UNKNOWN`; `SOURCE_FAILED` if the package gives no source
 */
export function modelLocation(given: unknown): string | ModelSource {
  if (isModelSource(given)) return given
  const location: unknown = isUrl(given) ? given.href : given
  if (isHttpUrl(location)) return location
  const scheme = packageScheme(location)
  if (scheme === undefined) {
    if (typeof location === 'string') refuseMeantUrl(location)
    return absolutePath(given)
  }
  return sourceFrom(location as string, scheme)
}

/** What is probably meant to be a URL, unless it is a path that exists. */
function refuseMeantUrl(location: string): void {
  const meant = meantUrl(location)
  if (meant === undefined || existsSync(location)) return
  const url = plainPlace(meant)
  // The location itself may contain a secret.
  throw new ModelSealError('INVALID_ARGUMENT', 'Cannot find the model: there is no such path.', {
    expected: 'a path that exists, or a URL',
    hint: `If you mean ${shown(url)}, write it in this way.`,
  })
}

/** What the package gives or throws is not shown, because it may contain a secret. */
function sourceFrom(url: string, scheme: string): ModelSource {
  let source: unknown
  let cause: unknown
  try {
    source = sourceOfUrl(url, scheme)
    if (isModelSource(source)) return source
  } catch (error) {
    if (error instanceof ModelSealError) throw error
    cause = error
  }
  throw new ModelSealError('SOURCE_FAILED', `Cannot load the model: the package for "${scheme}:" URLs failed.`, {
    expected: 'a source',
    found: cause === undefined ? kindOf(source) : 'an error',
    hint: 'Check the URL of the model and the package that reads it.',
    cause,
  })
}

/** True for an object with the shape of a source. */
export function isModelSource(given: unknown): given is ModelSource {
  return (
    typeof given === 'object' &&
    given !== null &&
    typeof propertyOf(given, 'open') === 'function' &&
    typeof propertyOf(given, 'place') === 'object'
  )
}

/** The path of a model on this machine; undefined for a URL or source of one that is elsewhere. */
export function pathHere(model: string | URL | ModelSource): string | undefined {
  if (isModelSource(model)) return undefined
  const scheme = schemeOf(isUrl(model) ? model.href : model)
  if (scheme !== undefined && scheme !== 'file') return undefined
  return isUrl(model) ? absolutePath(model) : model
}

/** @param location as returned by {@link modelLocation} */
export function sourceAt(location: string | ModelSource, http: HttpOptions | undefined): ModelSource {
  if (typeof location !== 'string') return location
  return isHttpUrl(location) ? httpModelSource(location, http) : localModelSource(location)
}

/**
 * The source that a path or URL stands for.
 *
 * @throws {@link ModelSealError} as {@link modelLocation}
 */
export function sourceOf(model: string): ModelSource {
  return sourceAt(modelLocation(model), undefined)
}

/**
 * The place of a source, read only once, so that the verdict names the place that was judged.
 *
 * @throws {@link ModelSealError} `INVALID_ARGUMENT` if it has none
 */
export function checkedPlace({ place }: ModelSource): ModelPlace {
  const [path, url] = [propertyOf(place, 'path'), propertyOf(place, 'url')]
  if (typeof url === 'string' && path === undefined) return withoutPrototype({ path, url })
  if (typeof path === 'string' && url === undefined) return withoutPrototype({ path: absolutePath(path), url })
  throw new ModelSealError('INVALID_ARGUMENT', 'Cannot load from the source: it does not say where it is.', {
    expected: 'a "place" with either a path or a URL',
  })
}
