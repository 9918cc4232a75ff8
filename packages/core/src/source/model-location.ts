import { isUrl } from '../any-realm.ts'
import { absolutePath } from '../environment.ts'
import { isHttpUrl } from './http/url.ts'

/**
 * The place of a model, which a caller may give as a path, a `file:` URL, or an `http:` or `https:` URL; URLs as text or as objects.
 * Relative paths are resolved against the current working directory.
 *
 * @returns an absolute path, or an `http:` or `https:` URL
 * @throws {@link ModelSealError} `INVALID_ARGUMENT`
 */
export function modelLocation(given: unknown): string {
  const location: unknown = isUrl(given) ? given.href : given
  return isHttpUrl(location) ? location : absolutePath(given)
}
