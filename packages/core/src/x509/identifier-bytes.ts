/**
 * Object identifiers of one certificate or timestamp, all together: a real one has 100 to 500 bytes of them. asn1js 4.0.0
 * takes up to 0.01 ms for each byte, and no bound of its own limits them.
 */
const MAX_IDENTIFIER_BYTES = 2048

const BIT_STRING = 0x03
const OCTET_STRING = 0x04
/** OBJECT IDENTIFIER, RELATIVE-OID, and RFC 5280 4.2.1.6 registeredID. */
const IDENTIFIERS = new Set([0x06, 0x0d, 0x88])
const CONSTRUCTED = 0x20
const LONG_TAG = 0x1f
const INDEFINITE = 0x80
const MAX_LENGTH_BYTES = 4

/**
 * Refuses DER that nobody vouches for, before a library that would keep the thread parses it. This looks at tags and lengths
 * alone (X.690 8.1), also within strings, and says nothing of what is valid: what no parser would read on is passed over.
 *
 * @throws Error where its object identifiers are too long
 */
export function checkIdentifierBytes(der: Uint8Array): void {
  let bytes = 0
  for (const { tag, content } of valuesIn(der)) {
    if (IDENTIFIERS.has(tag)) bytes += content.end - content.at
    if (bytes > MAX_IDENTIFIER_BYTES) throw new Error(`more than ${MAX_IDENTIFIER_BYTES} bytes of object identifiers`)
  }
}

/**
 * Values of one certificate or timestamp, with what `@sigstore/core` takes for values in strings: a real one has 100 to 500.
 * Reading 30,000, as many as fit, takes a tenth of a second.
 */
const MAX_VALUES = 4000

/**
 * Refuses DER with more values than any real one, before `@sigstore/core` reads it: that has no bound of its own.
 *
 * @throws Error
 */
export function checkValueCount(der: Uint8Array): void {
  const values = valuesIn(der)
  for (let count = 0; !values.next().done; count++) {
    if (count === MAX_VALUES) throw new Error(`more than ${MAX_VALUES} values`)
  }
}

/** Every value, in no order; also those that strings may contain. */
function* valuesIn(der: Uint8Array): Generator<{ tag: number; content: Range }> {
  const open: Range[] = [{ at: 0, end: der.length }]
  for (let range = open.pop(); range; range = open.pop()) {
    const content = contentOf(der, range)
    if (!content) continue
    if (content.end < range.end) open.push({ at: content.end, end: range.end })
    const tag = der[range.at] ?? 0
    yield { tag, content }
    if (IDENTIFIERS.has(tag)) continue
    if (tag & CONSTRUCTED || tag === OCTET_STRING) open.push(content)
    else if (tag === BIT_STRING) open.push({ at: content.at + 1, end: content.end }) // behind the number of unused bits
  }
}

interface Range {
  at: number
  end: number
}

/** Undefined where there is no value with a length that fits. */
function contentOf(der: Uint8Array, { at, end }: Range): Range | undefined {
  let next = at + 1
  if (((der[at] ?? 0) & LONG_TAG) === LONG_TAG) while ((der[next++] ?? 0) & 0x80);
  let length = der[next++] ?? 0
  // Without a length: to the end of what it stands in, which is no less than what belongs to it.
  if (length === INDEFINITE) length = end - next
  else if (length > INDEFINITE) {
    let bytes = length - INDEFINITE
    if (bytes > MAX_LENGTH_BYTES) return undefined
    for (length = 0; bytes > 0; bytes--) length = length * 256 + (der[next++] ?? 0)
  }
  return at < end && length >= 0 && next + length <= end ? { at: next, end: next + length } : undefined
}
