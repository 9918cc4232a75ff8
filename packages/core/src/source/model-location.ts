import { fileURLToPath } from 'node:url'
import { isUrl } from '../any-realm.ts'
import { absolutePath } from '../environment.ts'
import { ModelSealError, shown } from '../errors.ts'
import { isHttpUrl } from './http-source.ts'

/**
 * The place of a model, which a caller may give as a path, a `file:` URL, or an `http:` or `https:` URL; URLs as text or as objects.
 * Relative paths are resolved against the current working directory.
 *
 * @returns an absolute path, or an `http:` or `https:` URL
 * @throws {@link ModelSealError} `INVALID_ARGUMENT`
 */
export function modelLocation(given: unknown): string {
  const location: unknown = isUrl(given) ? given.href : given
  if (isHttpUrl(location)) return location
  if (typeof location !== 'string') return absolutePath(location)
  if (/^file:\/\//i.test(location)) return absolutePath(pathOfUrl(location))
  if (isUrl(given)) throw notAPlace(location, 'a URL of another kind')
  return absolutePath(location)
}

function pathOfUrl(location: string): string {
  const url = URL.parse(location)
  if (!url || url.search !== '' || url.hash !== '') throw notAPlace(location, 'a URL with a query or fragment')
  try {
    return fileURLToPath(url)
  } catch (cause) {
    throw notAPlace(location, 'a URL that is not a path', cause)
  }
}

function notAPlace(location: string, what: string, cause?: unknown): ModelSealError {
  return new ModelSealError('INVALID_ARGUMENT', `Cannot find the model ${shown(location.replace(/[?#].*$/s, ''))}.`, {
    expected: 'a path, or a "file:", "http:" or "https:" URL',
    found: what,
    hint: 'In a "file:" URL, write "?" as %3F and "#" as %23, as pathToFileURL() does.',
    cause,
  })
}
