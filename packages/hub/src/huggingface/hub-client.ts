import { parseJsonInTurns, type JsonBounds } from '@modelseal/core/adapter'
import { ModelSealError, shown } from '@modelseal/core/errors'
import {
  checkedHttpOptions,
  collected,
  CONNECTIONS,
  Downloads,
  type HttpAnswer,
  type HttpBody,
  HttpClient,
  type HttpRequest,
  plainUrl,
  redirectRule,
  RequestRetries,
} from '@modelseal/core/http'
import type { SourceLoad } from '@modelseal/core/source'
import type { HubLocation } from './hub-location.ts'
import type { HubSettings } from './hub-settings.ts'

/** A request to the hub. `url` is below its endpoint, or where it redirected to. */
type HubRequest = Pick<HttpRequest, 'url' | 'what' | 'range' | 'signal'>

/** An answer of its API, and what its headers say. */
interface HubAnswer {
  readonly json: unknown
  readonly headers: Headers
}

/** A page of a listing has a thousand entries of some 300 bytes each. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024
const BOUNDS: Omit<JsonBounds, 'what' | 'file'> = { maxValues: 1_000_000, maxKeys: 10_000, maxNames: 100_000 }
/** For an answer of the API. */
const ANSWER_MS = 60_000
/** For a file: a weight of 20 GB at 6 MB/s. A hub that falls silent is given up much earlier. */
const TOTAL_MS = 3_600_000

/** Asks a hub about one repository. Its token goes to the hub's origin alone, never to where it redirects. */
export class HubClient {
  readonly downloads: Downloads
  readonly #location: HubLocation
  readonly #settings: HubSettings
  readonly #api: HttpClient
  readonly #files: HttpClient
  readonly #signal: AbortSignal | undefined
  readonly #stopped = new AbortController()

  constructor(location: HubLocation, settings: HubSettings, { signal, detached }: SourceLoad) {
    const { endpoint, token } = settings
    this.#location = location
    this.#settings = settings
    this.#signal = signal
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
    const hints = {
      response: 'Check the URL of the model, and HF_ENDPOINT if it is set.',
      redirect: 'Ask the operator of the hub where it stores its files.',
      timeout: 'and try again.',
    }
    const mayRedirect = redirectRule(endpoint.origin)
    const within = (totalTimeout: number) => {
      const how = { mayRedirect, hints, connections: CONNECTIONS, resends: false, detached }
      const options = { ...checkedHttpOptions({ headers, totalTimeout }), ...how }
      return new HttpClient(endpoint.origin, options, signal)
    }
    this.#api = within(ANSWER_MS)
    this.#files = within(TOTAL_MS)
    this.downloads = new Downloads(endpoint.origin, this.#stopped.signal, otherContent)
  }

  /**
   * Fetches a file and passes its body to `receive`. Tries again as long as nothing was received.
   *
   * @returns undefined if the hub has no such file
   * @throws {@link ModelSealError} `MODEL_NOT_FOUND` (no such repository or revision), `HTTP_RESPONSE`, `HTTP_UNREACHABLE`,
   * `HTTP_TIMEOUT`, `HTTP_REDIRECT`, `ABORTED`, and what `receive` throws
   */
  get<T>(request: HubRequest, receive: (body: HttpBody) => Promise<T>): Promise<T | undefined> {
    return this.#get(this.#files, request, receive)
  }

  /**
   * Fetches an answer of the API.
   *
   * @returns undefined if there is none
   * @throws {@link ModelSealError} as {@link get}; `SOURCE_FAILED` if it is too large, and the codes of JSON
   */
  async json(request: HubRequest): Promise<HubAnswer | undefined> {
    const file = plainUrl(request.url)
    return this.#get(this.#api, request, async (body) => {
      const bytes = await collected(`${request.what} ${shown(file)}`, MAX_ANSWER_BYTES, body)
      const bounds = { ...BOUNDS, what: request.what, file }
      return { json: await parseJsonInTurns(bytes, bounds, this.#signal), headers: body.headers }
    })
  }

  /** Aborts all running requests and waits until they have ended. */
  async stop(): Promise<void> {
    this.#stopped.abort()
    await Promise.all([this.#api.stop(), this.#files.stop()])
  }

  async #get<T>(
    http: HttpClient,
    request: HubRequest,
    receive: (body: HttpBody) => Promise<T>,
  ): Promise<T | undefined> {
    return new RequestRetries([this.#signal, this.#stopped.signal, request.signal]).run((seen) =>
      http.get({ ...request, refusal: (answer) => this.#refusal((seen.answer = answer), request) }, (body) => {
        seen.isReceived = true
        return receive(body)
      }),
    )
  }

  /** The hub says in a header what it does not have. */
  #refusal({ status, headers, url }: HttpAnswer, request: HubRequest): ModelSealError | undefined {
    // Not where its storage refuses something.
    if (URL.parse(url)?.origin !== this.#settings.endpoint.origin) return undefined
    const code = headers.get('x-error-code')
    if (code === 'RepoNotFound') return this.#notFound('the hub has no such repository')
    if (code === 'RevisionNotFound')
      return this.#notFound(`the repository has no revision ${shown(this.#location.revision)}`)
    if (status === 401 || status === 403) return this.#denied(status, code === 'GatedRepo')
    if (status === 429) return busy(request, headers.get('retry-after'))
    return undefined
  }

  #notFound(why: string): ModelSealError {
    const { url } = this.#location
    const isAnonymous = this.#settings.token === undefined
    return new ModelSealError('MODEL_NOT_FOUND', `Cannot load the model ${shown(url)}: ${why}.`, {
      file: url,
      hint: `Check the URL${isAnonymous ? '. A private repository needs a token in HF_TOKEN.' : ', and that the token may read the repository.'}`,
    })
  }

  #denied(status: number, isGated: boolean): ModelSealError {
    const { url, kind, repository } = this.#location
    const { endpoint, token } = this.#settings
    const page = `${endpoint.href.replace(/\/$/, '')}/${kind === 'datasets' ? 'datasets/' : ''}${repository}`
    const login =
      token === undefined
        ? 'Set HF_TOKEN to a token that may read the repository.'
        : 'Use a token that may read the repository.'
    return new ModelSealError('HTTP_RESPONSE', `Cannot load the model ${shown(url)}: the hub denies access.`, {
      file: url,
      found: `status ${status}`,
      hint: isGated ? `The repository is gated: accept its conditions at ${page}. ${login}` : login,
    })
  }
}

function otherContent(what: string, expected: string, found: string): ModelSealError {
  return new ModelSealError('HTTP_RESPONSE', `Cannot fetch the ${what}: the hub sent an unexpected response.`, {
    expected,
    found,
    hint: 'Try again. If it fails again, ask the operator of the hub.',
  })
}

function busy({ url, what }: HubRequest, after: string | null): ModelSealError {
  const place = plainUrl(url)
  return new ModelSealError(
    'HTTP_RESPONSE',
    `Cannot fetch the ${what} ${shown(place)}: the rate limit of the hub was reached.`,
    {
      file: place,
      found: `status 429${after === null ? '' : ` and "Retry-After" ${shown(after)}`}`,
      hint: 'Try again later. The hub allows more requests with a token in HF_TOKEN.',
    },
  )
}
