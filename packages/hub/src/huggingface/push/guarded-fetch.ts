import { causeOf, messageOf } from '@modelseal/core/any-realm'
import { ModelSealError, shown } from '@modelseal/core/errors'
import { plainUrl, redirectRule } from '@modelseal/core/http'

const SMALL_BYTES = 1024 * 1024
/** Legitimate chains have one or two. */
const MAX_REDIRECTS = 5
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])
/** They keep the method and the content (RFC 9110 15.4.8 and 15.4.9). */
const KEEPING: ReadonlySet<number> = new Set([307, 308])

/**
 * The `fetch` that the client of the hub uploads with. The hub names the addresses of its storage and redirects, so each is
 * subject to the rule for redirects of loads, and the access token goes to the hub's origin alone.
 *
 * @throws {@link ModelSealError} `HTTP_REDIRECT`
 */
export function guardedFetch(endpoint: URL, token: string): typeof fetch {
  const rule = redirectRule(endpoint.origin)
  return async (input, init = {}) => {
    let url = new URL(typeof input === 'string' ? input : 'href' in input ? input.href : input.url)
    const from = plainUrl(url)
    const { method = 'GET', body } = init
    // To follow a redirect, fetch would keep a copy of all of the content in memory.
    const size = typeof body === 'object' && body !== null && 'size' in body ? body.size : 0
    const isLarge = size > SMALL_BYTES
    const redirects = isLarge ? ({ redirect: 'error', window: null } as const) : ({ redirect: 'manual' } as const)
    for (let hops = 0; hops <= MAX_REDIRECTS; hops += 1) {
      if (url.origin !== endpoint.origin) {
        const against = await rule(url)
        if (against) throw refused(from, against.expected, against.found)
      }
      const headers = new Headers(init.headers)
      if (url.origin !== endpoint.origin && headers.get('authorization')?.includes(token))
        headers.delete('authorization')
      const response = await fetch(url, { ...init, headers, ...redirects }).catch((error: unknown) => {
        throw messageOf(causeOf(error)) === 'unexpected redirect'
          ? refused(from, 'no redirect of large content', 'one')
          : error
      })
      if (!REDIRECTS.has(response.status)) return response
      await response.body?.cancel()
      if (method !== 'GET' && !KEEPING.has(response.status))
        throw refused(from, 'a redirect that keeps the method', `status ${response.status}`)
      const next = URL.parse(response.headers.get('location') ?? '', url.href)
      if (!next || next.username !== '' || next.password !== '')
        throw refused(from, 'a location without credentials', 'none that is valid')
      url = next
    }
    throw refused(from, `at most ${MAX_REDIRECTS} redirects`, 'more')
  }
}

function refused(place: string, expected: string, found: string): ModelSealError {
  return new ModelSealError(
    'HTTP_REDIRECT',
    `Cannot upload by ${shown(place)}: the hub sends the upload to a place that is not allowed.`,
    { file: place, expected, found, hint: 'Ask the operator of the hub where it stores its files.' },
  )
}
