import { fileURLToPath } from 'node:url'
import { ModelSealError, type ModelSource } from '@modelseal/core'
import { isModelSource, modelLocation, shown } from '@modelseal/core/adapter'
import { isArray, isUrl, kindOf } from '@modelseal/core/any-realm'
import type { TensorFlow } from './open-artifacts.ts'

/** The location of the model that a caller passed to tf's loaders. */
interface GivenModel {
  /** The source for `openVerifiedModel`. */
  source: string | ModelSource
  /** Load options of the handler, if one was passed, for {@link checkedLoadOptions}. */
  handlerOptions?: unknown
}

/**
 * Accepts a path, a URL, a source, or one of tf's handlers for a path or URL. `file:///…` is a URL and percent-decoded by
 * Node.js; without a third slash, the text after `file://` is taken literally as a path, as in tfjs-node. Only the location
 * of a handler is used: it is never asked for bytes.
 *
 * @throws {@link ModelSealError} `SCHEME_UNKNOWN` for a URL whose scheme no package provides; `INVALID_ARGUMENT` for anything else
 */
export function modelPlace(source: unknown, tf: TensorFlow): GivenModel {
  if (isUrl(source)) return modelPlace(source.href, tf)
  if (isModelSource(source)) return { source }
  if (typeof source === 'object' && source !== null) return placeOfHandler(source, tf)
  if (typeof source !== 'string' || source === '') throw unknownPlace(kindOf(source))
  const scheme = /^([a-z][a-z0-9+.-]+):\/\//i.exec(source)
  if (scheme === null) return { source }
  if (scheme[1]?.toLowerCase() !== 'file') return { source: modelLocation(source) }
  const rest = source.slice(scheme[0].length)
  if (rest === '') throw unknownPlace(shown(source))
  return { source: rest.startsWith('/') ? fromUrl(source) : rest }
}

/**
 * `tf.io.http()` and, in tfjs-node, `tf.io.fileSystem()` return handlers that keep their location in `path`. They are
 * recognized by comparison with handlers that this tf creates, because `path` may mean something else in a class of another
 * copy of tf or of the caller.
 */
function placeOfHandler(handler: object, tf: TensorFlow): GivenModel {
  if (isArray(handler) || ArrayBuffer.isView(handler)) throw unknownPlace(kindOf(handler))
  const { http, fileSystem } = tf.io ?? {}
  const ofHttp = sameClass(handler, () => http?.('http://localhost/'))
  const ofFiles = sameClass(handler, () => fileSystem?.('.'))
  if (!ofHttp && !ofFiles)
    throw unknownPlace('an object, such as an IOHandler that does not tell where its bytes come from')
  const { path, loadOptions } = handler as { path?: unknown; loadOptions?: unknown }
  if (typeof path !== 'string') throw unknownPlace('a handler with several locations')
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

/** Whether this is the HTTP URL of a model. */
export function isHttp(source: string | ModelSource): source is string {
  return typeof source === 'string' && /^https?:/i.test(source)
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
    'Cannot load the model: its signature cannot be found for this kind of source.',
    {
      expected: 'a path, a "file://", "http://" or "https://" URL, or a tf.io handler for one',
      found,
      hint: 'Fetch the model together with its signature first, then load it by its path.',
      cause,
    },
  )
}
