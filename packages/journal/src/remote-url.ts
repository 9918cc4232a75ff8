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
    // There could be a password in it.
    found: url ? shown(url.origin) : 'something else',
  })
}
