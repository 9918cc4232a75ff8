import { AwsV4Signer } from 'aws4fetch'
import { shown } from '@modelseal/core/errors'
import {
  checkedHttpOptions,
  CONNECTIONS,
  Downloads,
  HttpClient,
  RequestRetries,
  type HttpAnswer,
  type HttpBody,
  type HttpContent,
  type HttpRequest,
} from '@modelseal/core/http'
import type { SourceLoad } from '@modelseal/core/source'
import type { Credentials } from './credentials/credentials.ts'
import { statedError, type StatedError } from './s3-answer.ts'
import { otherContent, refusedBy } from './s3-errors.ts'
import { encodedKey, s3Url } from './s3-location.ts'
import type { S3Settings } from './s3-settings.ts'

/** A request to a bucket. */
type S3Request = Pick<HttpRequest, 'what' | 'range' | 'into' | 'signal' | 'method' | 'headers'> & {
  /** With why it could not be sent to its end: then it is not sent again. */
  readonly content?: (HttpContent & { readonly fault?: Error | undefined }) | undefined
  /** Key of an object; undefined for the bucket itself. */
  readonly key?: string | undefined
  readonly query?: Readonly<Record<string, string>> | undefined
  /** In messages. Default: the URL of the object or bucket. */
  readonly place?: string | undefined
}

/** For an object: one of 20 GB at 6 MB/s. A store that falls silent is given up much earlier. */
const TOTAL_MS = 3_600_000
/** A store may join the parts of a large object before it answers. */
const STORING_MS = 300_000
/** Another region, and then credentials that have just expired. */
const MAX_MENDED = 3
const EXPIRED: ReadonlySet<unknown> = new Set(['ExpiredToken', 'ExpiredTokenException', 'TokenRefreshRequired'])
/** All of them, so that what an error says can be read. Redirects are followed by hand: they have to be signed anew. */
const ANY_STATUS: ReadonlySet<number> = new Set(Array.from({ length: 400 }, (_, index) => 200 + index))

/** How an attempt was made, and what went wrong with it, if the store said so. */
interface Seen {
  /** Those that signed it. Other requests may have led to others meanwhile. */
  credentials?: Credentials | undefined
  region?: string
  answer?: HttpAnswer
  stated?: StatedError
  isReceived?: true
}

/**
 * Sends signed requests to one bucket (Amazon S3 API, Signature Version 4): tries again if the store is busy, in another region if the bucket is
 * there, and with new credentials if they have expired.
 */
export class S3Client {
  readonly downloads: Downloads
  readonly #bucket: string
  readonly #settings: S3Settings
  readonly #http: HttpClient
  readonly #stopped = new AbortController()
  readonly #signal: AbortSignal
  readonly #detached: boolean | undefined
  /** Keys for signatures, which are derived from the credentials once a day: large files are fetched in many requests. */
  readonly #derivedKeys = new Map<string, ArrayBuffer>()
  #region: string

  constructor(bucket: string, settings: S3Settings, { signal, detached }: SourceLoad, isSending = false) {
    this.#bucket = bucket
    this.#settings = settings
    this.#region = settings.region
    this.#detached = detached
    this.#signal = signal ? AbortSignal.any([signal, this.#stopped.signal]) : this.#stopped.signal
    const hint = 'Check the URL of the model, and AWS_ENDPOINT_URL_S3 if it is set.'
    const options = {
      ...checkedHttpOptions({ totalTimeout: TOTAL_MS, ...(isSending ? { idleTimeout: STORING_MS } : {}) }),
      mayRedirect: () => Promise.resolve({ expected: 'no redirect', found: 'one' }),
      hints: { response: hint, redirect: hint, timeout: 'and try again.' },
      connections: CONNECTIONS,
      resends: false,
      detached,
    }
    const { origin } = this.urlOf({})
    this.#http = new HttpClient(origin, options, signal)
    this.downloads = new Downloads(origin, this.#stopped.signal, otherContent)
  }

  /**
   * Sends a request and passes the body of the answer to `receive` while the connection is open. Tries again as long as nothing was received.
   *
   * @returns what `receive` returns; undefined if there is no such object
   * @throws {@link ModelSealError} `MODEL_NOT_FOUND` (no such bucket), `FILE_CHANGED` (not the requested version), `HTTP_RESPONSE`, `HTTP_UNREACHABLE`,
   * `HTTP_TIMEOUT`, `ABORTED`, those of credentials, and what `receive` throws
   */
  async send<T>(request: S3Request, receive: (body: HttpBody) => Promise<T>): Promise<T | undefined> {
    let mended = 0
    return new RequestRetries([this.#signal, request.signal]).run(
      (seen) => this.#attempt(request, seen, receive),
      (seen: Seen) => {
        if (request.content?.fault) throw request.content.fault
        return Promise.resolve(mended++ < MAX_MENDED && this.#isMended(seen))
      },
    )
  }

  /** Where the bucket is: as set, or as the store has said since. */
  get region(): string {
    return this.#region
  }

  /** Where a request goes, without its signature. */
  urlOf({ key, query = {} }: Pick<S3Request, 'key' | 'query'>): URL {
    const { endpoint, pathStyle } = this.#settings
    const isInPath = pathStyle ?? (endpoint !== undefined || this.#bucket.includes('.'))
    const url = new URL(endpoint ?? amazonUrl(this.#region))
    const path = [isInPath ? this.#bucket : undefined, key === undefined ? undefined : encodedKey(key)]
    if (!isInPath) url.hostname = `${this.#bucket}.${url.hostname}`
    url.pathname = [url.pathname.replace(/\/$/, ''), ...path.filter((part) => part !== undefined)].join('/')
    for (const name of Object.keys(query)) url.searchParams.set(name, query[name] ?? '')
    return url
  }

  /** Aborts all running requests and waits until they have ended. */
  async stop(): Promise<void> {
    this.#stopped.abort()
    await this.#http.stop()
  }

  async #attempt<T>(request: S3Request, seen: Seen, receive: (body: HttpBody) => Promise<T>): Promise<T | undefined> {
    const { what, range, into, signal, method = 'GET', content } = request
    const { url, headers } = await this.#signed(request, method, seen)
    const place = request.place ?? s3Url(this.#bucket, request.key ?? '')
    const isSending = method !== 'GET' && method !== 'HEAD'
    const asked = { url, what, range, into, signal, method, content, headers, success: ANY_STATUS }
    return this.#http.get(asked, async (body) => {
      const { status } = body
      if (status === (range ? 206 : 200) || (isSending && status === 204)) {
        seen.isReceived = true
        return receive(body)
      }
      // A whole object is an answer to a request for a part of it, but not the one that was requested.
      if (status < 300)
        throw otherContent(what, `status ${range ? 206 : 200}`, `status ${status}`, isSending ? 'send' : 'fetch')
      const stated = await statedError(body)
      Object.assign(seen, { answer: body, stated })
      if (status === 404 && !isSending && stated.code !== 'NoSuchBucket') return undefined
      throw refusedBy(body, stated, { what, place, isSending, isSigned: seen.credentials !== undefined })
    })
  }

  async #signed({ key, query, headers = {}, signal }: S3Request, method: string, seen: Seen) {
    const signals = [this.#signal, signal].filter((each) => each !== undefined)
    const credentials = await this.#settings.credentials?.get(AbortSignal.any(signals), this.#detached)
    const url = this.urlOf({ key, query })
    Object.assign(seen, { credentials, region: this.#region })
    if (!credentials) return { url, headers }
    const { accessKeyId, secretAccessKey, sessionToken } = credentials
    const signer = new AwsV4Signer({
      method,
      url: url.href,
      headers,
      accessKeyId,
      secretAccessKey,
      ...(sessionToken === undefined ? {} : { sessionToken }),
      service: 's3',
      region: this.#region,
      cache: this.#derivedKeys,
    })
    const signed = await signer.sign()
    return { url: signed.url, headers: Object.fromEntries(signed.headers) }
  }

  /** True if the request can be sent again at once. */
  #isMended({ stated, answer, isReceived, ...made }: Seen): boolean {
    if (!stated || !answer || isReceived) return false
    const { region, code } = stated
    const isElsewhere = region !== undefined && /^[a-z0-9-]{1,63}$/.test(region) && region !== made.region
    if (isElsewhere && [301, 307, 400, 403].includes(answer.status)) {
      this.#region = region
      return true
    }
    if (!EXPIRED.has(code)) return false
    this.#settings.credentials?.forget(made.credentials)
    return true
  }
}

function amazonUrl(region: string): string {
  return `https://s3.${region}.${region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com'}`
}

/** An object for messages: `file "weights.bin"`. */
export function named(what: string, name: string): string {
  return `${what} ${shown(name)}`
}
