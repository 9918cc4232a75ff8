import { ModelSealError, shown } from '@modelseal/core/errors'

const LOOPBACK = /^(127\.\d+\.\d+\.\d+|::1|\[::1\]|localhost)$/

/** Whether a host name or address is that of this machine. */
export function isLoopback(host: string): boolean {
  return LOOPBACK.test(host)
}

/**
 * The URL in the option `to`: HTTPS, or HTTP on this machine, without user, password, query and fragment.
 *
 * @param isAllowed what else it must be
 * @throws {@link ModelSealError} `INVALID_ARGUMENT`
 */
export function remoteUrl(given: string, expected: string, isAllowed: (url: URL) => boolean = () => true): URL {
  const url = URL.parse(given)
  const isSafe = url && (url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname)))
  const isBare = url && [url.username, url.password, url.search, url.hash].every((part) => part === '')
  if (isSafe && isBare && isAllowed(url)) return url
  throw new ModelSealError('INVALID_ARGUMENT', 'Invalid value for option "to".', {
    expected,
    found: url ? withoutSecrets(url) : 'something else',
  })
}

/** There could be a password in the URL, also in place of a host: `user:password@host` is one with the scheme `user:`. */
function withoutSecrets({ protocol, origin, username, password, pathname, search, hash }: URL): string {
  if (origin === 'null') return `a URL with the scheme ${shown(protocol)}`
  const surplus = [
    ...(username !== '' || password !== '' ? ['a user'] : []),
    ...(pathname !== '/' ? ['a path'] : []),
    ...(search !== '' || hash !== '' ? ['a query or fragment'] : []),
  ]
  return [shown(origin), ...(surplus.length > 0 ? ['with', surplus.join(' and ')] : [])].join(' ')
}
