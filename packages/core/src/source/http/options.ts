import { ModelSealError, shown } from '../../errors.ts'
import { shownValue } from '../../kinds.ts'
import { withoutPrototype } from '../../snapshot.ts'
import { DEFAULT_IDLE_MS, DEFAULT_TOTAL_MS } from '../source-reader.ts'

/** How a model is fetched over HTTP. */
export interface HttpOptions {
  /** Sent to the origin of the model only, never to where it redirects. */
  headers?: Readonly<Record<string, string>> | undefined
  /**
   * Where a signed file is fetched from, such as by an address that was made for it alone (presigned): given the signed name, an
   * `http:` or `https:` URL of any origin, or undefined for the place below the model's own URL. Its digest decides what the file
   * is, so only models that are verified can be fetched like this.
   */
  urlFor?: ((name: string) => string | URL | undefined | Promise<string | URL | undefined>) | undefined
  /** Fetches in place of the global `fetch`: gets a URL as text, and gives a `Response`. For verified models only, as `urlFor`. */
  fetch?: ((url: string, init: RequestInit) => Promise<Response>) | undefined
  /** Origins (`https://cdn.example`) that redirects may lead to, besides the model's own. */
  redirectOrigins?: readonly string[] | undefined
  /** Largest size of all files together, in bytes as they are after decompression. Default 4 GiB. */
  maxBytes?: number | undefined
  /** Milliseconds that a server may be silent. Default 30 000. */
  idleTimeout?: number | undefined
  /** Milliseconds that one file may take, redirects included. Default 600 000. */
  totalTimeout?: number | undefined
}

/** {@link HttpOptions}, checked and complete. */
export interface CheckedHttpOptions {
  headers: Headers
  urlFor: HttpOptions['urlFor']
  fetch: HttpOptions['fetch']
  redirectOrigins: ReadonlySet<string>
  maxBytes: number
  idleTimeout: number
  totalTimeout: number
}

export const DEFAULT_MAX_BYTES = 4 * 1024 ** 3
/** `setTimeout` counts to 2^31 - 1 and takes anything larger for 1. */
const LONGEST_TIMEOUT_MS = 2_147_483_647

/**
 * A copy of the options, so that what was checked is what counts.
 *
 * @throws {@link ModelSealError} `INVALID_ARGUMENT`
 */
export function checkedHttpOptions(options: HttpOptions = withoutPrototype({})): CheckedHttpOptions {
  const { headers = {}, urlFor, fetch, redirectOrigins = [], maxBytes, idleTimeout, totalTimeout, ...unknown } = options
  const [name] = Object.keys(unknown)
  if (name !== undefined)
    throw unusable(`http.${name}`, 'headers, urlFor, fetch, redirectOrigins, maxBytes, idleTimeout, totalTimeout')
  return {
    headers: checkedHeaders(headers),
    urlFor: optionalFunction('urlFor', urlFor),
    fetch: optionalFunction('fetch', fetch),
    redirectOrigins: new Set([...redirectOrigins].map(originOf)),
    maxBytes: positive('maxBytes', maxBytes ?? DEFAULT_MAX_BYTES, Number.MAX_SAFE_INTEGER),
    idleTimeout: positive('idleTimeout', idleTimeout ?? DEFAULT_IDLE_MS, LONGEST_TIMEOUT_MS),
    totalTimeout: positive('totalTimeout', totalTimeout ?? DEFAULT_TOTAL_MS, LONGEST_TIMEOUT_MS),
  }
}

/** What the request itself says, and what would have the server send a part, or nothing. */
const OWN_HEADERS = /^(?:accept-encoding|range|if-.*|host|connection|content-.*|transfer-encoding|expect|upgrade|te)$/i

function checkedHeaders(given: Readonly<Record<string, string>>): Headers {
  const own = Object.keys(given).find((name) => OWN_HEADERS.test(name))
  if (own !== undefined) throw unusable('http.headers', 'headers that leave the request as it is', shown(own))
  try {
    return new Headers(given)
  } catch {
    // The cause would show the value, which may be a secret.
    throw unusable('http.headers', 'names and values that HTTP allows')
  }
}

function optionalFunction<T>(name: string, given: T): T {
  if (given === undefined || typeof given === 'function') return given
  throw unusable(`http.${name}`, 'a function', typeof given)
}

function originOf(given: unknown): string {
  const url = typeof given === 'string' ? URL.parse(given) : null
  if (url && url.origin === given && /^https?:$/.test(url.protocol)) return url.origin
  throw unusable(
    'http.redirectOrigins',
    'origins, such as https://cdn.example',
    typeof given === 'string' ? shown(given.replace(/^.*@/s, '…@')) : typeof given,
  )
}

function positive(name: string, value: unknown, largest: number): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value > 0 && value <= largest) return value
  throw unusable(`http.${name}`, `a whole number from 1 to ${largest}`, shownValue(value))
}

function unusable(name: string, expected: string, found?: string): ModelSealError {
  return new ModelSealError('INVALID_ARGUMENT', `The option ${shown(name)} is not usable.`, { expected, found })
}
