import { ModelSealError, shown } from '../../errors.ts'

/**
 * Normalizes the URL that a model was fetched from, so that globs match what is fetched, however it
 * was written: as the WHATWG URL Standard parses it, unreserved characters unescaped
 * (RFC 3986 6.2.2.2), without query and fragment.
 *
 * @param what the URL is of, for messages
 * @throws {@link ModelSealError} `INVALID_ARGUMENT` if it is not a URL, or contains something that other programs may
 * parse differently: credentials, backslashes, control characters, white space, escaped dots and slashes, bare percent signs,
 * components `.` and `..` that the parser leaves
 */
export function modelUrl(given: unknown, what = 'option "url"'): string {
  const fault = urlFault(given)
  if (fault === undefined) {
    const { href } = new URL(given as string)
    return withoutQuery(href).replace(/%[0-9a-f]{2}/gi, (escape) => {
      const char = String.fromCharCode(parseInt(escape.slice(1), 16))
      return /[\w.~-]/.test(char) ? char : escape.toUpperCase()
    })
  }
  throw new ModelSealError('INVALID_ARGUMENT', `Invalid URL in the ${what}.`, {
    expected: 'an absolute URL without credentials',
    found: typeof given === 'string' ? `${fault} in ${shown(withoutCredentials(given))}` : typeof given,
    hint: 'Give the plain URL that is fetched.',
  })
}

function urlFault(given: unknown): string | undefined {
  if (typeof given !== 'string') return 'no text'
  // new URL() drops some of these and turns backslashes into slashes; other programs do not.
  if (/[\p{Cc}\p{Z}\\]/u.test(given)) return 'a backslash, control character or white space'
  const path = withoutQuery(given)
  if (/%(?:2e|2f|5c)/i.test(path)) return 'an escaped dot, slash or backslash'
  // Unescaped once, "%%32e" would be an escape of a dot.
  if (/%(?![0-9a-f]{2})/i.test(path)) return 'a percent sign without two hex digits'
  if (!/^(?:file:\/\/|[a-z][a-z0-9+.-]*:\/\/[^/?#])/i.test(given) || !URL.canParse(given)) return 'no scheme and host'
  const { username, password, hostname, pathname } = new URL(given)
  if (username !== '' || password !== '') return 'credentials'
  // Some versions of Node.js leave those after a name that begins with a dot: "/a/.b/../../c" leads to "/c".
  if (/\/\.{1,2}(?:\/|$)/.test(pathname)) return 'a component "." or ".."'
  return hostname.endsWith('.') ? 'a host that ends with a dot' : undefined
}

/** Messages must contain neither passwords nor queries, which may contain tokens. */
function withoutCredentials(url: string): string {
  return withoutQuery(url.replace(/^.*@/s, '…@'))
}

function withoutQuery(url: string): string {
  return url.replace(/[?#].*/s, '')
}
