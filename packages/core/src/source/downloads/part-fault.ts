import type { HttpBody } from '../http/request.ts'
import type { Range } from './file-parts.ts'

/** What was requested of a file. */
interface RequestedPart {
  /** Undefined for the whole file. */
  readonly range: Range | undefined
  /** Of the whole file, if it is known. */
  readonly size: number | undefined
}

/** How the head of a response differs from what was requested (RFC 9110 14.4); undefined if it does not. */
export function partFault(
  { range, size }: RequestedPart,
  { headers, length }: Pick<HttpBody, 'headers' | 'length'>,
): { expected: string; found: string } | undefined {
  if (range) {
    const expected = `bytes ${range.start}-${range.end - 1}/${size ?? ''}`
    const found = headers.get('content-range')
    const isPart = size === undefined ? found?.startsWith(expected) === true : found === expected
    if (!isPart) return { expected, found: found ?? 'no "Content-Range"' }
  }
  const bytes = range ? range.end - range.start : size
  if (bytes === undefined || length === undefined || length === bytes) return undefined
  return { expected: `${bytes} bytes`, found: `${length} bytes` }
}
