import { ModelSealError } from '../../errors.ts'
import { plainUrl } from './client.ts'

/** A model behind HTTP: a directory, whose URL ends with a slash, or one file. */
export interface HttpSource {
  kind: 'http'
  /** Of the directory, or of the file; may have a query, which goes along with each request. */
  url: URL
  /** Last component of the path: for a file, its name. */
  name: string
}

/** True for what is a URL of the schemes `http` and `https`, and no path. */
export function isHttpUrl(path: unknown): path is string {
  return typeof path === 'string' && /^https?:\/\//i.test(path)
}

/** @param url of a model, as `modelUrl` has found nothing wrong with */
export function httpSource(url: URL): HttpSource {
  return { kind: 'http', url, name: decoded(url, url.pathname.split('/').findLast((part) => part !== '') ?? 'model') }
}

/** True where the model is a directory, in which names have their place. */
export function isDirectory({ url }: HttpSource): boolean {
  return url.pathname.endsWith('/')
}

/**
 * Where a file of the model is: below its directory, whatever the name is. Each component is
 * percent-encoded as a whole, so that nothing in a name can act as part of a URL.
 *
 * @param name in canonical form: without empty components, `.` and `..`
 */
export function urlOf(source: HttpSource, name: string): URL {
  if (!isDirectory(source)) return source.url
  const url = new URL(source.url)
  url.pathname += name.split('/').map(encodeURIComponent).join('/')
  return url
}

/** The same place with something added to the path, as `.sig` is. */
export function besideUrl(url: URL, suffix: string): URL {
  const beside = new URL(url)
  beside.pathname = url.pathname.replace(/\/$/, '') + suffix
  return beside
}

/** The directory that a file or directory lies in; undefined for the root of a server. */
export function parentUrl(url: URL): URL | undefined {
  if (url.pathname === '/') return undefined
  const parent = new URL(url)
  parent.pathname = url.pathname.replace(/[^/]*\/?$/, '')
  return parent
}

/** The name of a file relative to a directory above it. */
export function nameBelow(directory: URL, file: URL): string {
  return file.pathname
    .slice(directory.pathname.length)
    .split('/')
    .map((part) => decoded(file, part))
    .join('/')
}

function decoded(url: URL, part: string): string {
  try {
    return decodeURIComponent(part)
  } catch (cause) {
    throw new ModelSealError('INVALID_ARGUMENT', 'The URL of the model has an escape that is no character in UTF-8.', {
      found: plainUrl(url),
      cause,
    })
  }
}
