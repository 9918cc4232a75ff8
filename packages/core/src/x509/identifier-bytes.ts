/**
 * Maximum total size of the object identifiers in one certificate or timestamp. Real ones have 100 to 500 bytes. asn1js 4.0.0
 * takes up to 0.01 ms for each byte and has no limit.
 */
const MAX_IDENTIFIER_BYTES = 2048

const BIT_STRING = 0x03
const OCTET_STRING = 0x04
/** OBJECT IDENTIFIER, RELATIVE-OID, and RFC 5280 4.2.1.6 registeredID. */
const IDENTIFIERS = new Set([0x06, 0x0d, 0x88])
const CONSTRUCTED = 0x20
const LONG_TAG = 0x1f
const INDEFINITE = 0x80
/** asn1js reads no more, and OpenSSL skips zeros before a length. */
const MAX_LENGTH_BYTES = 8

/**
 * Refuses untrusted DER before a library that could block the thread parses it. Reads only tags and lengths (X.690 8.1), also
 * inside strings. Does not check validity, and skips what no parser would read.
 *
 * @throws Error if its object identifiers are too long
 */
export function checkIdentifierBytes(der: Uint8Array): void {
  let bytes = 0
  for (const { tag, content } of valuesIn(der)) {
    if (IDENTIFIERS.has(tag)) bytes += content.end - content.at
    if (bytes > MAX_IDENTIFIER_BYTES) throw new Error(`more than ${MAX_IDENTIFIER_BYTES} bytes of object identifiers`)
  }
}

/**
 * Maximum number of values in one certificate or timestamp, including what `@sigstore/core` takes for values inside strings.
 * Real ones have 100 to 500. Reading 30,000, which is as many as fit, takes a tenth of a second.
 */
const MAX_VALUES = 4000

/**
 * Refuses DER with too many values before `@sigstore/core`, which has no limit, reads it.
 *
 * @throws Error
 */
export function checkValueCount(der: Uint8Array): void {
  const values = valuesIn(der)
  for (let count = 0; !values.next().done; count++) {
    if (count === MAX_VALUES) throw new Error(`more than ${MAX_VALUES} values`)
  }
}

/**
 * All values, including those that strings may contain, each once and in order. Where a constructed value ends does not matter: asn1js also
 * reads what begins in one and ends after it.
 */
function* valuesIn(der: Uint8Array): Generator<{ tag: number; content: Range }> {
  /** Where the strings end that are being read. */
  const strings: number[] = []
  for (let at = 0; ;) {
    const content = contentOf(der, { at, end: strings.at(-1) ?? der.length })
    if (!content) {
      const end = strings.pop()
      if (end === undefined) return
      at = end
      continue
    }
    const tag = der[at] ?? 0
    yield { tag, content }
    if (tag === OCTET_STRING || tag === BIT_STRING) strings.push(content.end)
    // Before the bits, there is the number of those that are not used.
    if (tag === BIT_STRING) at = content.at + 1
    else at = tag === OCTET_STRING || tag & CONSTRUCTED ? content.at : content.end
  }
}

interface Range {
  at: number
  end: number
}

/** Returns undefined if there is no value whose length fits. */
function contentOf(der: Uint8Array, { at, end }: Range): Range | undefined {
  let next = at + 1
  if (((der[at] ?? 0) & LONG_TAG) === LONG_TAG) while ((der[next++] ?? 0) & 0x80);
  let length = der[next++] ?? 0
  // Indefinite length: takes everything up to the end of the string or file, which is never too little.
  if (length === INDEFINITE) length = end - next
  else if (length > INDEFINITE) {
    let bytes = length - INDEFINITE
    if (bytes > MAX_LENGTH_BYTES) return undefined
    for (length = 0; bytes > 0; bytes--) length = length * 256 + (der[next++] ?? 0)
  }
  return at < end && length >= 0 && next + length <= end ? { at: next, end: next + length } : undefined
}
