import { statSync } from 'node:fs'
import { join } from 'node:path'
import type { ModelSource } from '@modelseal/core'
import { modelLocation, shown } from '@modelseal/core/adapter'
import { propertyOf } from '@modelseal/core/any-realm'
import { absolutePath } from '@modelseal/core/environment'
import { isHubId } from './hub-id.ts'
import { hubModel, importHub } from './hub-model.ts'
import { refusedOption, type HubOptions } from './pretrained-options.ts'

/** A model that a program named, as it was when the call was made. */
interface NamedModel {
  /** For messages and reports: as the program named it, but without the query and credentials of a URL. */
  readonly name: string
  /** What `openVerifiedModel` takes. */
  readonly source: () => string | ModelSource | Promise<string | ModelSource>
}

/** How a program named a model. */
interface Naming {
  /** Path, URL, source or, with the option `hub`, an id on Hugging Face. */
  readonly given: unknown
  readonly options: HubOptions
  /** Whether ids on Hugging Face are accepted. */
  readonly hub: boolean
  /** That of Transformers.js. */
  readonly env: object
}

/**
 * Finds out where a model is. An id is looked for in `env.localModelPath` first, as Transformers.js does.
 *
 * @throws {@link ModelSealError} `INVALID_ARGUMENT`, `SCHEME_UNKNOWN`, `MODEL_NOT_FOUND`
 */
export function namedModel(naming: Naming): NamedModel {
  const { given, options, hub, env } = naming
  if (hub && isHubId(given)) {
    const directory = localDirectory(given, env)
    if (directory === undefined) return { name: given, source: hubModel(given, options, env) }
    checkRevision(options, `The model is taken from ${shown(directory)}, because env.allowLocalModels is set.`)
    return { name: given, source: () => directory }
  }
  checkRevision(options, 'The model is always read from the given location, and its signature identifies it.')
  if (hub && typeof given === 'string' && /^(?:hf|oci):/i.test(given))
    return { name: plainUrl(given), source: () => importHub(plainUrl(given)).then(() => modelLocation(given)) }
  const source = sourceOf(given)
  return { name: nameOf(given, source), source: () => source }
}

/** The directory of an id in `env.localModelPath`, if there is one and the program allows it. */
function localDirectory(id: string, env: object): string | undefined {
  const path = propertyOf(env, 'localModelPath')
  if (propertyOf(env, 'allowLocalModels') !== true || typeof path !== 'string') return undefined
  const directory = absolutePath(join(path, id))
  try {
    return statSync(directory, { throwIfNoEntry: false })?.isDirectory() === true ? directory : undefined
  } catch {
    // It exists; the load will say why it cannot be read.
    return directory
  }
}

/** A pretrained model is always a directory, and the HTTP URL of a directory ends with a slash. */
function sourceOf(value: unknown): string | ModelSource {
  const location = modelLocation(value)
  if (typeof location !== 'string' || !isHttp(location) || !URL.canParse(location)) return location
  const url = new URL(location)
  if (!url.pathname.endsWith('/')) url.pathname += '/'
  return url.href
}

/** Names the model in messages and reports: as the caller did, but without the query and credentials of a URL. */
function nameOf(given: unknown, source: string | ModelSource): string {
  if (typeof source !== 'string') return plainUrl(source.place.url ?? source.place.path)
  if (isHttp(source)) return plainUrl(source)
  return typeof given === 'string' && !/^file:/i.test(given) ? given : source
}

function isHttp(location: string): boolean {
  return /^https?:/i.test(location)
}

function plainUrl(place: string): string {
  if (!/^[a-z][a-z0-9+.-]+:\/\//i.test(place) || !URL.canParse(place)) return place
  const { protocol, host, pathname } = new URL(place)
  return `${protocol}//${host}${pathname}`
}

/** A caller that requests a revision must not get whatever is in the directory. */
function checkRevision({ revision }: HubOptions, why: string): void {
  if (revision === undefined || revision === 'main') return
  throw refusedOption('revision', `${why} Omit the option.`)
}
