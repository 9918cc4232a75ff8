import { DEFAULT_MAX_BYTES } from '../size-limit.ts'
import { ModelSealError, shown } from '../../errors.ts'
import { shownValue } from '../../kinds.ts'
import { withoutPrototype } from '../../snapshot.ts'
import { DEFAULT_IDLE_MS, DEFAULT_TOTAL_MS } from '../answers/source-reader.ts'

/** How a model is fetched over HTTP. */
export interface HttpOptions {
  /** Request headers. Sent only to the origin of the model, never to the target of a redirect. */
  headers?: Readonly<Record<string, string>> | undefined
  /**
   * Returns the URL of a signed file, for example a presigned one: an `http:` or `https:` URL of any origin, or
   * undefined for the default, below the model's URL. The file is checked by its signed digest, so this works only for
   * models that are verified.
   */
  urlFor?: ((name: string) => string | URL | undefined | Promise<string | URL | undefined>) | undefined
  /** Replaces the global `fetch`. Works only for models that are verified, like `urlFor`. */
  fetch?: ((url: string, init: RequestInit) => Promise<Response>) | undefined
  /** Origins (`https://cdn.example`) to which redirects may lead, besides the model's own. */
  redirectOrigins?: readonly string[] | undefined
  /** Maximum total size of all files, in bytes after decompression. Default: 4 GiB. */
  maxBytes?: number | undefined
  /** Maximum time between two pieces of data, in milliseconds. Default: 30,000. */
  idleTimeout?: number | undefined
  /** Maximum time for one file, redirects included, in milliseconds. Default: 600,000. */
  totalTimeout?: number | undefined
}

/** Validated {@link HttpOptions} with their defaults. */
export interface CheckedHttpOptions {
  headers: Headers
  urlFor: HttpOptions['urlFor']
  fetch: HttpOptions['fetch']
  redirectOrigins: ReadonlySet<string>
  maxBytes: number
  idleTimeout: number
  totalTimeout: number
}

/** `setTimeout` treats anything above 2^31 - 1 as 1. */
const LONGEST_TIMEOUT_MS = 2_147_483_647

/**
 * Validates the options and copies them, so that they cannot change afterwards.
 *
 * @throws {@link ModelSealError} `INVALID_ARGUMENT`
 */
export function checkedHttpOptions(options: HttpOptions = withoutPrototype({})): CheckedHttpOptions {
  const { headers = {}, urlFor, fetch, redirectOrigins = [], maxBytes, idleTimeout, totalTimeout, ...unknown } = options
  const [name] = Object.keys(unknown)
  if (name !== undefined)
    throw new ModelSealError('INVALID_ARGUMENT', `Unknown option ${shown(`http.${name}`)}.`, {
      expected: 'headers, urlFor, fetch, redirectOrigins, maxBytes, idleTimeout or totalTimeout',
    })
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

/** Headers that the client sets itself, and headers that could make the server send only a part, or nothing. */
const OWN_HEADERS = /^(?:accept-encoding|range|if-.*|host|connection|content-.*|transfer-encoding|expect|upgrade|te)$/i

function checkedHeaders(given: Readonly<Record<string, string>>): Headers {
  const own = Object.keys(given).find((name) => OWN_HEADERS.test(name))
  if (own !== undefined) throw unusable('http.headers', 'no headers that change the request itself', shown(own))
  try {
    return new Headers(given)
  } catch {
    // The cause would reveal the value, which may be a secret.
    throw unusable('http.headers', 'names and values that are valid in HTTP')
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
  throw unusable(`http.${name}`, `an integer from 1 to ${largest}`, shownValue(value))
}

function unusable(name: string, expected: string, found?: string): ModelSealError {
  return new ModelSealError('INVALID_ARGUMENT', `Invalid value for option ${shown(name)}.`, { expected, found })
}
