import { ModelSealError, shown } from '../../errors.ts'
import { plainUrl, requestTarget, verbOf, type HttpAnswer, type HttpRequest } from './request.ts'

/** Legitimate chains have one or two. */
const MAX_REDIRECTS = 5
/** RFC 9110 15.4: redirects that repeat the same request at another URL. */
const STATUSES: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

/** Redirects that keep the method and the content (RFC 9110 15.4.8 and 15.4.9). */
const KEEPING: ReadonlySet<number> = new Set([307, 308])

/**
 * Decides about a redirect to another origin, from `https` to `https` or from `http`.
 *
 * @returns undefined if it is followed; otherwise what is expected and what was found, without secrets
 */
export type RedirectRule = (target: URL) => Promise<{ expected: string; found: string } | undefined>

/** The refusal to send large content again. */
export function redirectedContent(request: HttpRequest, hint: string): ModelSealError {
  return redirectRefused(request, { expected: 'no redirect of large content', found: 'one', hint })
}

function redirectRefused(
  request: HttpRequest,
  details: { expected: string; found: string; hint: string },
): ModelSealError {
  const { url } = request
  return new ModelSealError(
    'HTTP_REDIRECT',
    `Cannot ${verbOf(request)} ${requestTarget(request)}: the server sent a redirect that is not allowed.`,
    { file: plainUrl(url), ...details },
  )
}

/** The redirects of one request. */
export class Redirects {
  readonly #request: HttpRequest
  readonly #rule: RedirectRule
  readonly #hint: string
  #hops = 0

  constructor(request: HttpRequest, rule: RedirectRule, hint: string) {
    this.#request = request
    this.#rule = rule
    this.#hint = hint
  }

  /**
   * The URL to request instead; undefined if the response is not a redirect.
   *
   * @throws {@link ModelSealError} `HTTP_REDIRECT`, and what the rule throws
   */
  async next(from: URL, { status, headers }: HttpAnswer): Promise<URL | undefined> {
    // An answer to a request that sent something may well have a location and not be a redirect.
    if (!STATUSES.has(status) || this.#request.success?.has(status)) return undefined
    if (verbOf(this.#request) === 'send' && !KEEPING.has(status))
      throw this.#refused('a redirect that keeps the method', `status ${status}`)
    if (++this.#hops > MAX_REDIRECTS) throw this.#refused(`at most ${MAX_REDIRECTS} redirects`, 'more')
    const location = headers.get('location')
    const target = location === null ? null : URL.parse(location, from.href)
    if (!target) throw this.#refused('a location', 'none that is valid')
    if (!/^https?:$/.test(target.protocol) || target.username !== '' || target.password !== '')
      throw this.#refused('an http or https URL without credentials', 'something else')
    if (from.protocol === 'https:' && target.protocol !== 'https:')
      throw this.#refused('https throughout', shown(target.origin))
    const against = target.origin === this.#request.url.origin ? undefined : await this.#rule(target)
    if (against) throw this.#refused(against.expected, against.found)
    return target
  }

  #refused(expected: string, found: string): ModelSealError {
    return redirectRefused(this.#request, { expected, found, hint: this.#hint })
  }
}
