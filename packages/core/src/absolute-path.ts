import { statSync } from 'node:fs'
import { isAbsolute, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isUrl, kindOf } from './any-realm.ts'
import { ModelSealError, shown } from './errors.ts'
import { secretIn } from './secrets.ts'

const SCHEME = /^([a-z][a-z0-9+.-]+):\/\//i

/** The scheme of a URL, in lowercase; undefined for a path. */
export function schemeOf(text: unknown): string | undefined {
  return typeof text === 'string' ? SCHEME.exec(text)?.[1]?.toLowerCase() : undefined
}

/** A place for messages and verdicts: without credentials, and without the query, which may contain tokens. */
export function plainPlace(place: string): string {
  const [, scheme, rest] = /^([a-z][a-z0-9+.-]*:\/\/|https?:[\\/]*)(.*)/is.exec(place) ?? []
  if (scheme === undefined || rest === undefined) return place
  const [host = ''] = rest.split(/[/?#]/, 1)
  const after = rest.slice(host.length).replace(/[?#].*$/s, '')
  // A password may contain "/", "?", "#" or "@" unescaped, so the host is somewhere behind it.
  const isUnclear = host.includes('@') ? after.includes('@') : hasPassword(host) && rest.includes('@')
  return scheme + (isUnclear ? '…' : host.replace(/^.*@/s, '') + after)
}

/** Something other than a port after a colon, outside of the brackets of an IPv6 address. */
function hasPassword(host: string): boolean {
  return /:(?!\d*$)/.test(host.replace(/^\[[^\]]*\]/, ''))
}

/**
 * The absolute form of a path that a caller gave, or of a `file:` URL, as a string or as a URL of any realm.
 *
 * @throws {@link ModelSealError} `INVALID_ARGUMENT` if it is not a path, such as another URL, or is relative and the working
 * directory was deleted; `PATH_AMBIGUOUS` if its `..` can be read in two ways
 */
export function absolutePath(path: unknown): string {
  refuseSecret(path)
  const isFileUrl = isUrl(path) || isFileUrlText(path)
  const plain = isFileUrl ? pathOfUrl(path) : path
  const isUrlText = !isFileUrl && (schemeOf(path) !== undefined || isHttpWithoutSlashes(path))
  if (typeof plain === 'string' && plain !== '' && !plain.includes('\0') && !isUrlText) {
    if (!isAbsolute(plain) && workingDirectory() === undefined) throw workingDirectoryMissing(shown(plain))
    return withoutDots(plain, resolve(plain))
  }
  throw new ModelSealError('INVALID_ARGUMENT', 'Invalid path of a model or of one of its files.', {
    expected: 'a string that is not empty and contains no NUL, or a "file:" URL',
    found:
      typeof path === 'string' && path !== ''
        ? shown(plainPlace(path).replace(isFileUrl ? /[?#].*$/s : '', ''))
        : kindOf(path),
    hint: isFileUrl
      ? 'Write the whole path in the "file:" URL, with "?" as %3F and "#" as %23, as pathToFileURL() does.'
      : isUrlText
        ? 'Other URLs are accepted only for models to load. For a directory of this name, write "./" before it.'
        : undefined,
  })
}

/**
 * A key, a token or a PIN in place of a path. An error of the operating system would repeat it.
 *
 * @throws {@link ModelSealError} `INVALID_ARGUMENT`
 */
export function refuseSecret(path: unknown): void {
  const secret = secretIn(isUrl(path) ? path.href : path)
  if (!secret) return
  throw new ModelSealError('INVALID_ARGUMENT', 'Invalid path.', {
    expected: 'the path of a file',
    found: `a ${secret.what}`,
    hint: secret.hint,
  })
}

/**
 * After a symbolic link, `..` means the directory above the link's target to the kernel, but the directory that contains the link to `resolve()`.
 *
 * @throws {@link ModelSealError} `PATH_AMBIGUOUS` if the two readings lead to different files
 */
export function withoutDots(path: string, resolved: string): string {
  const parts = path.split(/[/\\]/)
  const first = parts.findIndex((part) => part !== '' && part !== '.' && part !== '..')
  if (first < 0 || !parts.includes('..', first)) return resolved
  const [given, read] = [inodeAt(path), inodeAt(resolved)]
  if (given === undefined || read === undefined || given === read) return resolved
  throw new ModelSealError('PATH_AMBIGUOUS', `Cannot use the path ${shown(path)}: its ".." can be read in two ways.`, {
    file: path,
    expected: 'no ".." behind a symbolic link',
    found: `a path that leads elsewhere than ${shown(resolved)}`,
    hint: 'Give the path without "..".',
  })
}

/** Undefined if the file does not exist or cannot be examined. */
function inodeAt(path: string): string | undefined {
  try {
    const { dev, ino } = statSync(path, { bigint: true })
    return `${dev}:${ino}`
  } catch {
    return undefined
  }
}

/** True for a `file:` URL, with or without slashes after the colon (RFC 8089). */
export function isFileUrlText(value: unknown): value is string {
  return typeof value === 'string' && /^file:/i.test(value)
}

/** As joining paths makes of a URL. A message that there is no such file would repeat its credentials. */
function isHttpWithoutSlashes(value: unknown): boolean {
  return typeof value === 'string' && /^https?:/i.test(value)
}

/** Undefined for a URL that is not a path on this machine. */
function pathOfUrl(given: string | URL): string | undefined {
  try {
    // The parser would read "file:models/vad" as "/models/vad".
    if (typeof given === 'string' && !/^file:\//i.test(given)) return undefined
    const url = new URL(typeof given === 'string' ? given : given.href)
    return url.search === '' && url.hash === '' ? fileURLToPath(url) : undefined
  } catch {
    return undefined
  }
}

/** @param what could not be found by a relative path, or from the working directory upward */
export function workingDirectoryMissing(what: string): ModelSealError {
  return new ModelSealError('INVALID_ARGUMENT', `Cannot find ${what}: the working directory does not exist.`, {
    expected: 'an absolute path, or a working directory that exists',
    hint: 'The working directory was deleted. Use an absolute path, or start the process in another directory.',
  })
}

/** Undefined if it was deleted. */
export function workingDirectory(): string | undefined {
  try {
    return process.cwd()
  } catch {
    return undefined
  }
}
