import { ModelSealError, shown } from '../../errors.ts'
import type { PartMemory } from '../answers/part-memory.ts'

/** One request. */
export interface HttpRequest {
  url: URL
  /** Default: `GET`. */
  method?: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE' | undefined
  /**
   * Content to send. Up to 1 MiB, it is sent again to the target of a redirect, which must keep the method (307 or 308);
   * a redirect of more is refused.
   */
  content?: HttpContent | undefined
  /** Statuses of success. Default: 206 for a range, 200 otherwise. */
  success?: ReadonlySet<number> | undefined
  /** What is requested, for messages: `signature bundle`, `file`. */
  what: string
  /** The bytes from `start` to `end`, exclusive. Default: the whole file. */
  range?: { readonly start: number; readonly end: number } | undefined
  /** Further headers, such as credentials. Sent only to the origin of `url`, never to the target of a redirect. */
  headers?: Readonly<Record<string, string>> | undefined
  /**
   * Memory of a download, to receive the beginning of the content into. Once it is full, or once the content or the connection
   * ends, an empty chunk says so. A custom `fetch`, and the one of a program, do not use it.
   */
  into?: PartMemory | undefined
  /** Aborts only this request. */
  signal?: AbortSignal | undefined
  /** Statuses that mean that it does not exist. Default: 404 and 410. */
  absent?: ReadonlySet<number>
  /**
   * The error for a response that is not the requested content, if its status or headers say more than that. Called
   * before `absent` counts. Default: `HTTP_RESPONSE`.
   */
  refusal?: (response: HttpAnswer) => ModelSealError | undefined
  /** What to check if it does not arrive in time, for the hint. */
  waitsFor?: string
}

/** The content of a request. */
export interface HttpContent {
  /** Media type. */
  readonly type: string
  /** In bytes. */
  readonly length: number
  /** Called for each attempt. What it yields is sent as it comes, so that memory stays bounded. */
  chunks(): AsyncIterable<Uint8Array>
}

/** The head of a response. */
export interface HttpAnswer {
  readonly status: number
  readonly headers: Headers
  /** What answered: after a redirect, its target. Empty if a custom `fetch` does not say. */
  readonly url: string
}

/** The content of a file as it arrives, decompressed. */
export interface HttpBody {
  /** Length in bytes that the server announced; undefined if it announced none or compresses. */
  length: number | undefined
  status: number
  headers: Headers
  /** What answered: after a redirect, its target. Empty if a custom `fetch` does not say. */
  url: string
  chunks: AsyncIterable<Uint8Array>
}

/** Not Found and Gone. */
const ABSENT: ReadonlySet<number> = new Set([404, 410])
/** Encodings that `fetch` decodes (RFC 9110 8.4.1), if applied once. */
const ENCODINGS: ReadonlySet<string> = new Set(['gzip', 'x-gzip', 'deflate', 'br'])

/** A URL for messages and verdicts, without its query, which may contain tokens. */
export function plainUrl(url: URL): string {
  return url.origin + url.pathname
}

/**
 * The announced length of the content that was requested: undefined if it is unknown, null if there is no such file.
 *
 * @throws {@link ModelSealError} `HTTP_RESPONSE`, and what `request.refusal` returns
 */
export function announcedLength(request: HttpRequest, response: HttpAnswer, hint: string): number | undefined | null {
  const { status, headers } = response
  // 206 without a range would be only a part of the file, and 304 none of it.
  const success = request.success ?? new Set([request.range ? 206 : 200])
  const unexpected = (expected: string, found: string) => refused(request, { expected, found, hint })
  if (!success.has(status)) {
    const refusal = request.refusal?.(response)
    if (refusal) throw refusal
    if ((request.absent ?? ABSENT).has(status)) return null
    throw unexpected(`status ${[...success].join(' or ')}`, `status ${status}`)
  }
  // RFC 9110 8.6. The length of compressed content says nothing about the length of the file.
  const encoding = headers.get('content-encoding')?.trim().toLowerCase() ?? 'identity'
  if (encoding !== 'identity') {
    if (ENCODINGS.has(encoding)) return undefined
    throw unexpected('a supported content encoding', shown(encoding))
  }
  const length = headers.get('content-length')
  return length === null ? undefined : Number(length)
}

/** What is requested, and where: `the file "https://…"`, `the manifest of the model "oci://…" at "https://…"`. */
export function requestTarget({ what, url }: Pick<HttpRequest, 'what' | 'url'>): string {
  return `the ${what} ${what.endsWith('"') ? 'at ' : ''}${shown(plainUrl(url))}`
}

/** What a request does, for messages. */
export function verbOf({ method = 'GET' }: Pick<HttpRequest, 'method'>): 'fetch' | 'send' {
  return method === 'GET' || method === 'HEAD' ? 'fetch' : 'send'
}

function refused(request: HttpRequest, details: { expected: string; found: string; hint: string }) {
  const { url } = request
  return new ModelSealError(
    'HTTP_RESPONSE',
    `Cannot ${verbOf(request)} ${requestTarget(request)}: unexpected response from the server.`,
    { file: plainUrl(url), ...details },
  )
}

/** True for the refusal of a whole file that a server sent in place of a part (RFC 9110 14.2). */
export function ignoresRanges(error: unknown): boolean {
  return error instanceof ModelSealError && error.code === 'HTTP_RESPONSE' && error.found === 'status 200'
}
