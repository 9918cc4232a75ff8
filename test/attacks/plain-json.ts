/**
 * The simplest possible parser of strict JSON (RFC 8259), for comparison: the whole text at once, no duplicate keys,
 * UTF-8 without a byte order mark.
 *
 * @throws if the text is anything else
 */
export function plainJson(bytes: Uint8Array): unknown {
  const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  let at = 0

  function token(pattern: RegExp): string | undefined {
    pattern.lastIndex = at
    const [found] = pattern.exec(text) ?? []
    if (found !== undefined) at += found.length
    return found
  }

  function expect(character: string): void {
    blank()
    if (text[at++] !== character) throw new SyntaxError(`${character} is missing`)
  }

  const blank = () => token(/[ \t\r\n]*/y)
  const next = () => (blank(), text[at])

  function value(): unknown {
    const first = next()
    if (first === '{') return object()
    if (first === '[') return array()
    if (first === '"') return string()
    const literal = token(/(?:true|false|null|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)/y)
    if (literal === undefined) throw new SyntaxError('no value')
    return JSON.parse(literal)
  }

  function string(): string {
    blank()
    let end = at + 1
    while (end < text.length && text[end] !== '"') end += text[end] === '\\' ? 2 : 1
    const literal = text.slice(at, end + 1)
    at = end + 1
    if (literal[0] !== '"') throw new SyntaxError('no string')
    return JSON.parse(literal) as string
  }

  function object(): object {
    const members = new Map<string, unknown>()
    expect('{')
    while (next() !== '}') {
      if (members.size > 0) expect(',')
      const key = string()
      if (members.has(key)) throw new SyntaxError('a key twice')
      expect(':')
      members.set(key, value())
    }
    expect('}')
    return Object.fromEntries(members)
  }

  function array(): unknown[] {
    const items: unknown[] = []
    expect('[')
    while (next() !== ']') {
      if (items.length > 0) expect(',')
      items.push(value())
    }
    expect(']')
    return items
  }

  const whole = value()
  blank()
  if (at !== text.length) throw new SyntaxError('text behind it')
  return whole
}
