import { ModelSealError } from '../../errors.ts'
import { plainUrl } from './request.ts'

/** A model on a web server: a directory, whose URL ends with a slash, or a single file. */
export interface HttpSource {
  kind: 'http'
  /** URL of the directory or file. Its query, if any, is part of every request. */
  url: URL
  /** Last component of the path: for a file, its name. */
  name: string
}

/** True for an `http:` or `https:` URL. */
export function isHttpUrl(path: unknown): path is string {
  return typeof path === 'string' && /^https?:\/\//i.test(path)
}

/** @param url valid URL of a model */
export function httpSource(url: URL): HttpSource {
  return { kind: 'http', url, name: decoded(url, url.pathname.split('/').findLast((part) => part !== '') ?? 'model') }
}

/** True if the model is a directory. */
export function isDirectory({ url }: HttpSource): boolean {
  return url.pathname.endsWith('/')
}

/**
 * The URL of a file, which is always below the directory of the model. Each component is percent-encoded as a whole, so
 * no character of a name can act as URL syntax.
 *
 * @param name in canonical form: without empty components, `.` and `..`
 */
export function fileUrl(source: HttpSource, name: string): URL {
  if (!isDirectory(source)) return source.url
  const url = new URL(source.url)
  url.pathname += name.split('/').map(encodeURIComponent).join('/')
  return url
}

/** The URL with a suffix added to its path, such as `.sig`. */
export function besideUrl(url: URL, suffix: string): URL {
  const beside = new URL(url)
  beside.pathname = url.pathname.replace(/\/$/, '') + suffix
  return beside
}

/** The parent directory; undefined for the root of a server. */
export function parentUrl(url: URL): URL | undefined {
  if (url.pathname === '/') return undefined
  const parent = new URL(url)
  parent.pathname = url.pathname.replace(/(?<=\/)[^/]*\/?$/, '')
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
    throw new ModelSealError(
      'INVALID_ARGUMENT',
      'Invalid URL of the model: it contains a percent-escape that is not valid UTF-8.',
      {
        found: plainUrl(url),
        cause,
      },
    )
  }
}
