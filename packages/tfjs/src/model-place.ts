import { fileURLToPath } from 'node:url'
import { isModelSource, modelLocation, ModelSealError, shown, type ModelSource } from '@modelseal/core'
import { isArray, isUrl, kindOf } from '@modelseal/core/any-realm'
import type { TensorFlow } from './open-artifacts.ts'

/** Where the model is that a caller of tf's loaders means. */
export interface ModelPlace {
  /** What `openVerifiedModel` takes. */
  source: string | ModelSource
  /** Load options of the handler that was given instead, for {@link checkedLoadOptions}. */
  handlerOptions?: unknown
}

/**
 * A path, a URL, a source, or one of tf's own handlers of such. `file:///…` is a URL, percent-decoded by Node; what
 * follows `file://` without a third slash is a path as it stands, as in tfjs-node. Of a handler only
 * the place is taken that it was made with: it is never asked for a byte.
 *
 * @throws {@link ModelSealError} `INVALID_ARGUMENT` for anything else
 */
export function modelPlace(source: unknown, tf: TensorFlow): ModelPlace {
  // tf's own loaders take no URL objects; loadVerifiedModel() does.
  if (isUrl(source)) throw unknownPlace('a URL object instead of its href')
  if (isModelSource(source)) return { source }
  if (typeof source === 'object' && source !== null) return placeOfHandler(source, tf)
  if (typeof source !== 'string' || source === '') throw unknownPlace(kindOf(source))
  const scheme = /^([a-z][a-z0-9+.-]+):\/\//i.exec(source)
  const name = scheme?.[1]?.toLowerCase()
  if (scheme === null || name === 'http' || name === 'https') return { source }
  if (name !== 'file') return { source: sourceOf(source) }
  const rest = source.slice(scheme[0].length)
  if (rest === '') throw unknownPlace(shown(source))
  return { source: rest.startsWith('/') ? fromUrl(source) : rest }
}

/**
 * `tf.io.http()` and, in tfjs-node, `tf.io.fileSystem()` keep what they were made with in `path`. They
 * are known by being made as tf makes them here: a class of another copy of tf, or of the caller, may
 * mean something else by the name.
 */
function placeOfHandler(handler: object, tf: TensorFlow): ModelPlace {
  if (isArray(handler) || ArrayBuffer.isView(handler)) throw unknownPlace(kindOf(handler))
  const { http, fileSystem } = tf.io ?? {}
  const ofHttp = sameClass(handler, () => http?.('http://localhost/'))
  const ofFiles = sameClass(handler, () => fileSystem?.('.'))
  if (!ofHttp && !ofFiles)
    throw unknownPlace('an object, such as an IOHandler whose bytes come from a place that it does not tell')
  const { path, loadOptions } = handler as { path?: unknown; loadOptions?: unknown }
  if (typeof path !== 'string') throw unknownPlace('a handler of several places')
  if (ofFiles) return { source: path }
  const place = modelPlace(path, tf)
  if (isHttp(place.source)) return { ...place, handlerOptions: loadOptions }
  throw unknownPlace(shown(path))
}

function sameClass(handler: object, make: () => unknown): boolean {
  const made = make()
  if (typeof made !== 'object' || made === null) return false
  const prototype: unknown = Object.getPrototypeOf(made)
  return prototype !== Object.prototype && prototype !== null && prototypeOf(handler) === prototype
}

/** A proxy may throw, or be revoked. */
function prototypeOf(value: object): unknown {
  try {
    return Object.getPrototypeOf(value) as unknown
  } catch {
    return undefined
  }
}

/** True for the URL of a model behind HTTP. */
export function isHttp(source: string | ModelSource): source is string {
  return typeof source === 'string' && /^https?:/i.test(source)
}

/** @throws {@link ModelSealError} `SCHEME_UNKNOWN`; `INVALID_ARGUMENT` where no package enters such a scheme */
function sourceOf(url: string): ModelSource {
  const source = modelLocation(url)
  if (typeof source === 'string') throw unknownPlace(shown(url))
  return source
}

function fromUrl(source: string): string {
  try {
    const url = new URL(source)
    if (url.search === '' && url.hash === '') return fileURLToPath(url)
  } catch (cause) {
    throw unknownPlace(shown(source), cause)
  }
  throw unknownPlace(`${shown(source)}, which has a query or fragment`)
}

function unknownPlace(found: string, cause?: unknown): ModelSealError {
  return new ModelSealError(
    'INVALID_ARGUMENT',
    'A model can be loaded verified only from where its signature can be.',
    {
      expected: 'a path, a "file://", "http://" or "https://" URL, or a handler that tf.io makes of one',
      found,
      hint: 'Fetch the model together with its signature first, then load it by its path.',
      cause,
    },
  )
}
