/**
 * For the sources of `@modelseal/hub` and `@modelseal/s3`: requests within timeouts, with redirects followed by
 * hand, credentials that stay with their origin, and typed errors; and what a cache on the disk needs.
 *
 * @example
 * ```ts
 * import { checkedHttpOptions, HttpClient } from '@modelseal/core/http'
 *
 * const client = new HttpClient('https://hub.example', checkedHttpOptions(), load.signal)
 * const url = new URL('https://hub.example/models/vad/config.json')
 * await client.get({ url, what: 'file' }, ({ length, chunks }) => receive({ size: length, chunks }))
 * ```
 *
 * @packageDocumentation
 */
export { withHint } from '../errors.ts'
export { isPrivate } from '../source/downloads/addresses.ts'
export { collected } from '../source/downloads/collected.ts'
export { CONNECTIONS, Downloads } from '../source/downloads/downloads.ts'
export type { Range } from '../source/downloads/file-parts.ts'
export { foldedName } from '../source/downloads/folded-name.ts'
export { heldOpen } from '../source/downloads/held-open.ts'
export { isLoopback } from '../source/downloads/loopback.ts'
export { partFault } from '../source/downloads/part-fault.ts'
export { redirectRule } from '../source/downloads/redirect-rule.ts'
export { RequestRetries } from '../source/downloads/retries.ts'
export { HttpClient, type ClientOptions } from '../source/http/client.ts'
export { checkedHttpOptions, type CheckedHttpOptions, type HttpOptions } from '../source/http/options.ts'
export type { RedirectRule } from '../source/http/redirects.ts'
export {
  ignoresRanges,
  plainUrl,
  requestTarget,
  type HttpAnswer,
  type HttpBody,
  type HttpContent,
  type HttpRequest,
} from '../source/http/request.ts'
export { filePieces } from '../source/local/file-pieces.ts'
export { PartialFile } from '../source/private/partial-file.ts'
export { isOwnDirectory } from '../source/private/write-access.ts'
