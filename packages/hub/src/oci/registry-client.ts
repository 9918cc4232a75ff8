import { ModelSealError, shown } from '@modelseal/core/errors'
import {
  checkedHttpOptions,
  CONNECTIONS,
  Downloads,
  type HttpAnswer,
  type HttpBody,
  HttpClient,
  type HttpRequest,
  plainUrl,
  redirectRule,
  requestTarget,
  RequestRetries,
} from '@modelseal/core/http'
import type { SourceLoad } from '@modelseal/core/source'
import { Authorization } from './login/authorization.ts'
import { otherContent } from './digest.ts'
import type { OciReference } from './reference.ts'

/** A request to the registry. */
export type RegistryRequest = Pick<
  HttpRequest,
  'what' | 'range' | 'signal' | 'absent' | 'method' | 'content' | 'success'
> & {
  /** Below `/v2/NAME/`, with a query if needed; or a URL that the registry named. */
  readonly path: string | URL
  readonly accept?: string | undefined
  /** False if it must not simply be sent again. */
  readonly mayRepeat?: boolean | undefined
}

/** A token may expire during a load. */
const MAX_LOGINS = 2
/** A layer of 20 GB at 6 MB/s. A registry that falls silent is given up much earlier. */
const TOTAL_MS = 3_600_000
/** A registry may hash and move a large blob after its last byte, before it answers. */
const STORING_MS = 300_000

/**
 * Reads from, and with the right actions writes to, one repository of a registry (OCI distribution specification 1.1): logs in if the registry demands it,
 * tries again if it is busy, and follows its redirects to where blobs are stored, without credentials.
 */
export class RegistryClient {
  readonly downloads: Downloads
  readonly #reference: OciReference
  readonly #http: HttpClient
  readonly #authorization: Authorization
  readonly #stopped = new AbortController()
  readonly #signal: AbortSignal

  /** @param actions that a token must allow */
  constructor(reference: OciReference, { signal, detached }: SourceLoad, actions: 'pull' | 'pull,push' = 'pull') {
    this.#reference = reference
    this.#signal = signal ? AbortSignal.any([signal, this.#stopped.signal]) : this.#stopped.signal
    this.#authorization = new Authorization(reference, this.#signal, actions)
    const hints = {
      response: 'Check the URL of the model and the registry.',
      redirect: 'Ask the operator of the registry where it stores its blobs.',
      timeout: 'and try again.',
    }
    const { origin } = reference
    const isReading = actions === 'pull'
    const timeouts = { totalTimeout: TOTAL_MS, ...(isReading ? {} : { idleTimeout: STORING_MS }) }
    const options = {
      ...checkedHttpOptions(timeouts),
      mayRedirect: redirectRule(origin),
      hints,
      connections: CONNECTIONS,
      resends: !isReading,
      detached,
    }
    this.#http = new HttpClient(origin, options, signal)
    this.downloads = new Downloads(origin, this.#stopped.signal, otherContent)
  }

  /**
   * Fetches or sends something and passes the body of the answer to `receive` while the connection is open. Tries again
   * as long as nothing was received.
   *
   * @returns what `receive` returns; undefined if there is no such thing
   * @throws {@link ModelSealError} `HTTP_RESPONSE`, `HTTP_UNREACHABLE`, `HTTP_TIMEOUT`, `HTTP_REDIRECT`, `ABORTED`, errors
   * of docker's configuration, and what `receive` throws
   */
  async get<T>(request: RegistryRequest, receive: (body: HttpBody) => Promise<T>): Promise<T | undefined> {
    const { path, accept, mayRepeat = true, ...rest } = request
    const { origin, repository } = this.#reference
    const url = typeof path === 'string' ? new URL(`${origin}/v2/${repository}/${path}`) : path
    const isOwn = url.origin === origin
    let logins = 0
    let login: Readonly<Record<string, string>> = {}
    return new RequestRetries([this.#signal, request.signal]).run(
      (seen) => {
        // Credentials are for the registry itself, and for no storage that it names.
        login = isOwn ? this.#authorization.headers : {}
        const headers = { ...login, ...(accept === undefined ? {} : { accept }) }
        const refusal = (answer: HttpAnswer) => this.#refusal((seen.answer = answer), request, url)
        return this.#http.get({ ...rest, url, headers, refusal }, (body) => {
          seen.isReceived = true
          return receive(body)
        })
      },
      async ({ answer }, error) => {
        if (!this.#isChallenge(answer)) {
          if (!mayRepeat) throw error
          return false
        }
        if (logins++ < MAX_LOGINS && (await this.#authorization.answer(answer, login))) return true
        // The hint may now say more.
        throw this.#refusal(answer, request, url) ?? error
      },
    )
  }

  /** Aborts all running requests and waits until they have ended. */
  async stop(): Promise<void> {
    this.#stopped.abort()
    await this.#http.stop()
  }

  /** Only from the registry itself: the target of a redirect must not obtain its credentials. */
  #isChallenge(answer: HttpAnswer | undefined): answer is HttpAnswer {
    return answer?.status === 401 && URL.parse(answer.url)?.origin === this.#reference.origin
  }

  #refusal({ status, headers }: HttpAnswer, request: RegistryRequest, url: URL): ModelSealError | undefined {
    const { what, method = 'GET' } = request

    const isDenied = status === 401 || status === 403
    if (!isDenied && status !== 429) return undefined
    const why = isDenied ? 'the registry denies access' : 'the rate limit of the registry was reached'
    const after = headers.get('retry-after')
    const verb = method === 'GET' || method === 'HEAD' ? 'fetch' : 'send'
    return new ModelSealError('HTTP_RESPONSE', `Cannot ${verb} ${requestTarget({ what, url })}: ${why}.`, {
      file: plainUrl(url),
      found: `status ${status}${isDenied || after === null ? '' : ` and "Retry-After" ${shown(after)}`}`,
      hint: isDenied
        ? this.#authorization.hint
        : 'Try again later, or log in: many registries limit anonymous requests more.',
    })
  }
}
