/** What a registry asks for in a response with status 401. */
interface Challenge {
  /** In lowercase. */
  readonly scheme: 'basic' | 'bearer'
  readonly parameters: ReadonlyMap<string, string>
}

/** A header is some hundred characters long. */
const MAX_LENGTH = 8_192

const TOKEN = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y
const SPACE = /[ \t,]*/y
const QUOTED = /"((?:[^"\\]|\\[\t\x20-\xff])*)"/y
const EQUALS = /[ \t]*=[ \t]*/y

/**
 * The challenge to answer (RFC 9110 11.6.1): `Bearer` if it is offered, else `Basic`. Schemes that are not known are
 * skipped, and so is whatever follows a syntax error.
 */
export function challengeIn(header: string | null): Challenge | undefined {
  const challenges = header === null || header.length > MAX_LENGTH ? [] : [...parsed(header)]
  return challenges.find(({ scheme }) => scheme === 'bearer') ?? challenges.find(({ scheme }) => scheme === 'basic')
}

function* parsed(header: string): Generator<Challenge> {
  const text = new Scanner(header)
  let current: { scheme: string; parameters: Map<string, string> } | undefined
  for (;;) {
    text.take(SPACE)
    const name = text.take(TOKEN)?.toLowerCase()
    if (name === undefined) break
    if (text.take(EQUALS) === undefined) {
      if (current) yield* known(current)
      current = { scheme: name, parameters: new Map() }
      continue
    }
    const value = text.take(QUOTED)?.slice(1, -1).replace(/\\(.)/gs, '$1') ?? text.take(TOKEN)
    if (value === undefined || !current) break
    if (!current.parameters.has(name)) current.parameters.set(name, value)
  }
  if (current) yield* known(current)
}

function* known({ scheme, parameters }: { scheme: string; parameters: Map<string, string> }): Generator<Challenge> {
  if (scheme === 'bearer' || scheme === 'basic') yield { scheme, parameters }
}

class Scanner {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  /** @param pattern sticky */
  take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at
    const [found] = pattern.exec(this.#text) ?? []
    if (found !== undefined) this.#at += found.length
    return found
  }
}
