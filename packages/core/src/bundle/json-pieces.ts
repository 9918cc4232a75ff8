/**
 * Number of characters that are passed to `JSON.parse` at a time. Twice as many take it about ten milliseconds if an attacker
 * makes every key a new one.
 */
const PIECE = 16 * 1024

const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const COMMA = 0x2c
const COLON = 0x3a

/** An array or object whose end has not been reached. */
interface Container {
  /** Index of its bracket. */
  start: number
  isArray: boolean
  /** Index from which on its members have not been parsed. */
  from: number
  /** The members parsed so far; undefined if it will be parsed as part of the container around it. */
  built: Built | undefined
  /** True between a member that was parsed on its own and the comma after it. */
  afterMember: boolean
  /** Indexes of the quotes of the last key. */
  keyStart: number
  keyEnd: number
}

type Built = unknown[] | Record<string, unknown>

/**
 * Parses JSON in pieces, so that no call of `JSON.parse` takes long. A scanner reports the positions of strings, commas and
 * brackets. It may be wrong about text that is not JSON, because every character is either part of a piece that `JSON.parse`
 * checks, or is checked here because it joins two pieces.
 *
 * Each method throws a `SyntaxError` for text that is not JSON.
 */
export class JsonPieces {
  readonly #bytes: Buffer
  readonly #pieceSize: number
  readonly #open: Container[] = []
  #result: { value: unknown; end: number } | undefined

  /** @param pieceSize for tests */
  constructor(bytes: Buffer, pieceSize = PIECE) {
    this.#bytes = bytes
    this.#pieceSize = pieceSize
  }

  open(start: number): void {
    const isArray = this.#bytes[start] === OPEN_BRACKET
    this.#open.push({
      start,
      isArray,
      from: start + 1,
      built: undefined,
      afterMember: false,
      keyStart: -1,
      keyEnd: -1,
    })
  }

  key(start: number, end: number): void {
    const container = this.#open.at(-1)
    if (!container) return
    container.keyStart = start
    container.keyEnd = end
  }

  comma(at: number): void {
    const container = this.#open.at(-1)
    if (!container) return
    if (container.afterMember) {
      this.#expectBlank(container.from, at)
      container.afterMember = false
    } else if (at - container.from >= this.#pieceSize) {
      this.#append(container, at)
    } else {
      return
    }
    container.from = at + 1
  }

  close(at: number): void {
    const container = this.#open.pop()
    if (!container?.built) return
    if ((this.#bytes[at] === CLOSE_BRACKET) !== container.isArray) throw new SyntaxError('mismatched brackets')
    if (container.afterMember) this.#expectBlank(container.from, at)
    else this.#append(container, at)
    const around = this.#open.at(-1)
    if (around) this.#add(around, container, at + 1)
    else this.#end(container, at + 1)
  }

  /** @returns the value of the whole text */
  finish(): unknown {
    if (this.#result) {
      this.#expectBlank(this.#result.end, this.#bytes.length)
      return this.#result.value
    }
    if (this.#open.some(({ built }) => built)) throw new SyntaxError('the text ends too early')
    return JSON.parse(this.#bytes.toString())
  }

  #end({ start, built }: Container, end: number): void {
    if (this.#result) throw new SyntaxError('more than one value')
    this.#expectBlank(0, start)
    this.#result = { value: built, end }
  }

  /** Adds a container that was parsed on its own to the one around it. */
  #add(around: Container, { start, built }: Container, end: number): void {
    if (around.afterMember) throw new SyntaxError('a comma is missing')
    around.built ??= around.isArray ? [] : {}
    if (Array.isArray(around.built)) {
      this.#appendBefore(around, start)
      around.built.push(built)
    } else {
      const { keyStart, keyEnd } = around
      if (keyStart < around.from) throw new SyntaxError('a key is missing')
      this.#appendBefore(around, keyStart)
      this.#expectColon(keyEnd + 1, start)
      define(around.built, JSON.parse(this.#bytes.toString('utf8', keyStart, keyEnd + 1)) as string, built)
    }
    around.afterMember = true
    around.from = end
  }

  /** Adds the members, if any, before the comma that precedes another member. */
  #appendBefore(container: Container, end: number): void {
    const last = this.#lastSolid(end)
    if (last < container.from) return
    if (this.#bytes[last] !== COMMA) throw new SyntaxError('a comma is missing')
    this.#append(container, last)
  }

  /** Adds one or more members. */
  #append(container: Container, end: number): void {
    const text = this.#bytes.toString('utf8', container.from, end)
    if (container.isArray) {
      const members = JSON.parse(`[${text}]`) as unknown[]
      if (members.length === 0) throw new SyntaxError('a value is missing')
      const built = (container.built ??= []) as unknown[]
      for (const member of members) built.push(member)
      return
    }
    const members = JSON.parse(`{${text}}`) as Record<string, unknown>
    const names = Object.keys(members)
    if (names.length === 0) throw new SyntaxError('a value is missing')
    const built = (container.built ??= {}) as Record<string, unknown>
    for (const name of names) define(built, name, members[name])
  }

  #expectBlank(from: number, end: number): void {
    if (this.#lastSolid(end) >= from) throw new SyntaxError('unexpected text')
  }

  #expectColon(from: number, end: number): void {
    const colon = this.#lastSolid(end)
    if (this.#bytes[colon] !== COLON) throw new SyntaxError('a colon is missing')
    this.#expectBlank(from, colon)
  }

  /** Index of the last character before `end` that is not white space; -1 if there is none. */
  #lastSolid(end: number): number {
    let last = end - 1
    while (isSpace(this.#bytes[last])) last--
    return last
  }
}

/** RFC 8259 section 2. */
function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09
}

/**
 * Defines an own property, as `JSON.parse` does. An assignment would call a setter of `Object.prototype`, such as `__proto__`,
 * and would fail if a program froze `Object.prototype`.
 */
function define(object: Record<string, unknown>, name: string, value: unknown): void {
  if (name in Object.prototype)
    Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true })
  else object[name] = value
}
