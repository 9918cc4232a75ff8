import { ModelSealError, shown } from '@modelseal/core/errors'
import {
  checkedHttpOptions,
  HttpClient,
  plainUrl,
  type HttpAnswer,
  type HttpBody,
  type HttpRequest,
} from '@modelseal/core/http'
import { redirectRule } from '../network/redirect-rule.ts'
import { Retries } from '../network/retries.ts'
import { Authorization } from './login/authorization.ts'
import type { OciReference } from './reference.ts'

/** A request to the registry. */
export type RegistryRequest = Pick<HttpRequest, 'what' | 'range' | 'signal' | 'absent'> & {
  /** Below `/v2/NAME/`, with a query if needed. */
  readonly path: string
  readonly accept?: string | undefined
}

/** A token may expire during a load. */
const MAX_LOGINS = 2
/** A layer of 20 GB at 6 MB/s. A registry that falls silent is given up much earlier. */
const TOTAL_MS = 3_600_000

/**
 * Reads from one repository of a registry (OCI distribution specification 1.1): logs in if the registry demands it,
 * tries again if it is busy, and follows its redirects to where blobs are stored, without credentials.
 */
export class RegistryClient {
  readonly #reference: OciReference
  readonly #http: HttpClient
  readonly #authorization: Authorization
  readonly #stopped = new AbortController()
  readonly #signal: AbortSignal

  constructor(reference: OciReference, signal: AbortSignal | undefined) {
    this.#reference = reference
    this.#signal = signal ? AbortSignal.any([signal, this.#stopped.signal]) : this.#stopped.signal
    this.#authorization = new Authorization(reference, this.#signal)
    const hints = {
      response: 'Check the URL of the model and the registry.',
      redirect: 'Ask the operator of the registry where it stores its blobs.',
      timeout: 'and try again.',
    }
    const { origin } = reference
    const options = { ...checkedHttpOptions({ totalTimeout: TOTAL_MS }), mayRedirect: redirectRule(origin), hints }
    this.#http = new HttpClient(origin, options, signal)
  }

  /**
   * Fetches something and passes its body to `receive` while the connection is open. Tries again as long as nothing was
   * received.
   *
   * @returns what `receive` returns; undefined if there is no such thing
   * @throws {@link ModelSealError} `HTTP_RESPONSE`, `HTTP_UNREACHABLE`, `HTTP_TIMEOUT`, `HTTP_REDIRECT`, `ABORTED`, errors
   * of docker's configuration, and what `receive` throws
   */
  async get<T>(request: RegistryRequest, receive: (body: HttpBody) => Promise<T>): Promise<T | undefined> {
    const { path, accept, ...rest } = request
    const url = new URL(`${this.#reference.origin}/v2/${this.#reference.repository}/${path}`)
    const retries = new Retries([this.#signal, request.signal])
    for (let logins = 0; ;) {
      const { headers: login } = this.#authorization
      const headers = { ...login, ...(accept === undefined ? {} : { accept }) }
      const seen: { answer?: HttpAnswer; isReceived?: true } = {}
      const refusal = (answer: HttpAnswer) => this.#refusal((seen.answer = answer), request.what, url)
      try {
        return await this.#http.get({ ...rest, url, headers, refusal }, (body) => {
          seen.isReceived = true
          return receive(body)
        })
      } catch (error) {
        const { answer, isReceived } = seen
        if (isReceived) throw error
        if (!this.#isChallenge(answer)) await retries.next(error, answer)
        else if (logins++ === MAX_LOGINS || !(await this.#authorization.answer(answer, login)))
          // The hint may now say more.
          throw this.#refusal(answer, request.what, url) ?? error
      }
    }
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

  #refusal({ status, headers }: HttpAnswer, what: string, url: URL): ModelSealError | undefined {
    const isDenied = status === 401 || status === 403
    if (!isDenied && status !== 429) return undefined
    const why = isDenied ? 'the registry denies access' : 'the registry limits how much is fetched from it'
    const after = headers.get('retry-after')
    return new ModelSealError('HTTP_RESPONSE', `Cannot fetch the ${what} ${shown(plainUrl(url))}: ${why}.`, {
      file: plainUrl(url),
      found: `status ${status}${isDenied || after === null ? '' : ` and "Retry-After" ${shown(after)}`}`,
      hint: isDenied
        ? this.#authorization.hint
        : 'Try again later, or log in: many registries limit anonymous requests more.',
    })
  }
}
