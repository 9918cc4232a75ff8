import { isSyntaxError } from '../../any-realm.ts'
import { shown } from '../../errors.ts'

/** A compiled glob. */
export interface Glob {
  /** True if the glob matches the whole text. */
  matches: (text: string) => boolean
  /** The components of each alternative; undefined for a component with wildcards. */
  spelled: readonly (readonly (string | undefined)[])[]
  /** The maximum number of components that each alternative matches. */
  depths: readonly number[]
}

/** Longer than any path that Linux opens. */
export const MAX_GLOB_LENGTH = 4096
/** `{a,b}` alternatives multiply; nobody writes more than this by hand. */
const MAX_ALTERNATIVES = 256

/**
 * Compiles a glob, anchored at both ends: `*` and `?` stay within one component, `**` is any
 * number of whole components, `{a,b}` is either, a backslash escapes the next character.
 * Matching takes time proportional to the length of the glob times that of the text: it uses no
 * regular expression that could backtrack. No wildcard matches a component `.` or `..`.
 *
 * @throws `SyntaxError` with the message that {@link globFault} returns
 */
export function compileGlob(glob: string): Glob {
  const alternatives = parse(glob)
  return {
    matches: (text) => alternatives.some((alternative) => covers(alternative, text)),
    spelled: alternatives.map(({ components }) =>
      components.map((component) => (typeof component === 'string' ? component : undefined)),
    ),
    depths: alternatives.map(({ components }) => (components.includes(GLOBSTAR) ? Infinity : components.length)),
  }
}

/**
 * Compiles a glob that errs on the side of matching: wildcards also match `/`, `.` and `..`. Only for refusing.
 *
 * @throws `SyntaxError` as {@link compileGlob}
 */
export function compileLooseGlob(glob: string): (text: string) => boolean {
  const alternatives = expand(characters(glob)).map(tokens)
  return (text) => {
    const found = Array.from(text)
    return alternatives.some((pattern) => wildcardMatch(pattern, found, CHARACTERS))
  }
}

/** What is wrong with a glob, as a phrase; undefined if it is valid. */
export function globFault(glob: string): string | undefined {
  try {
    parse(glob)
    return undefined
  } catch (error) {
    if (isSyntaxError(error)) return error.message
    throw error
  }
}

/**
 * What is wrong with a glob over paths: no path has an empty component, a `.`, or a `..` after
 * another component, so a rule with such a glob would never match, and a later rule would apply.
 */
export function pathGlobFault(glob: string): string | undefined {
  const scheme = /^([a-z][a-z0-9+.-]+):\/\//i.exec(glob)?.[1]
  if (scheme === undefined) return relativeGlobFault(glob)
  return `it is a URL, which no path is; write it under "${/^https?$/i.test(scheme) ? 'url' : 'source'}"`
}

function relativeGlobFault(glob: string): string | undefined {
  const below = glob.replace(/^\.\/(?=[^])/, '')
  const fault = globFault(glob) ?? globFault(below)
  if (fault !== undefined) return fault
  for (const spelled of compileGlob(below).spelled) {
    const components = glob.startsWith('/') ? spelled.slice(1) : spelled
    if (components.at(-1) === '')
      return `it ends with a slash, which no path does; write ${shown(`${glob.replace(/\/+$/, '')}/**`)} for everything in the directory`
    const upward = glob.startsWith('/') ? 0 : components.findIndex((component) => component !== '..')
    const odd = components.find(
      (component, index) =>
        component === '' || component === '.' || (component === '..' && upward >= 0 && index >= upward),
    )
    if (odd === '') return 'it has an empty component, which no path has'
    if (odd !== undefined) return `it has a component ${shown(odd)}, which no path has`
  }
  return undefined
}

/** What is wrong with a glob over names of files in a model, which are relative to it. */
export function nameGlobFault(glob: string): string | undefined {
  const fault = relativeGlobFault(glob)
  if (fault !== undefined) return fault
  if (compileGlob(glob).spelled.some(([first]) => first === '' || first === '..'))
    return 'it leads out of the model; write a path relative to the model, such as "claims.jsonl"'
  if (glob.startsWith('./')) return 'it begins with "./", which no name does'
  return undefined
}

/** What is wrong with a glob over URLs: scheme and host are compared in lower case, and a path follows them. */
export function urlGlobFault(glob: string): string | undefined {
  const fault = globFault(glob)
  if (fault !== undefined) return fault
  // Where others have a host, Hugging Face has an organisation, with capitals, or the name of a model.
  const origin = glob.startsWith('hf://') ? '' : (/^[^/]*:\/\/[^/]*/.exec(glob)?.[0] ?? '')
  if (/[A-Z]/.test(origin)) return 'scheme and host of a URL are compared in lower case'
  if (origin === glob && !origin.endsWith('**'))
    return `every URL has a path; write ${shown(`${glob}/**`)} for everything on the host`
  const port = /^(?:http:\/\/[^/]*:80|https:\/\/[^/]*:443)$/.test(origin)
  if (port)
    return `URLs are compared without the default port of their scheme; write ${shown(`${origin.replace(/:\d+$/, '')}${glob.slice(origin.length)}`)}`
  for (const [scheme] of compileGlob(glob).spelled) {
    if (scheme === '') return 'every URL begins with its scheme; write paths under "path"'
    if (scheme !== undefined && !scheme.endsWith(':'))
      return `every URL begins with its scheme; write ${shown(`https://${glob}`)}`
  }
  return undefined
}

const STAR = Symbol('*')
const ONE = Symbol('?')
const GLOBSTAR = Symbol('**')

/** Literal text, characters with wildcards, or `**`. */
type Component = string | readonly (string | typeof STAR | typeof ONE)[] | typeof GLOBSTAR

interface Alternative {
  /** Every match begins with it, which rules out most texts at once. */
  prefix: string
  components: readonly Component[]
}

function parse(glob: string): Alternative[] {
  if (glob === '') throw new SyntaxError('it is empty')
  if (glob.length > MAX_GLOB_LENGTH) throw new SyntaxError(`it is longer than ${MAX_GLOB_LENGTH} characters`)
  return expand(characters(glob)).map((alternative) => {
    const components = split(alternative).map(component)
    const wild = components.findIndex((part) => typeof part !== 'string')
    return { prefix: components.slice(0, wild < 0 ? components.length : wild).join('/'), components }
  })
}

/** A character, and whether a backslash escapes it. */
interface Character {
  char: string
  literal: boolean
}

function characters(glob: string): Character[] {
  const found: Character[] = []
  let escaped = false
  for (const char of glob) {
    if (char === '\\' && !escaped) {
      escaped = true
      continue
    }
    if (!escaped && '[]()!'.includes(char) && (char !== '!' || found.length === 0))
      throw new SyntaxError(`"${char}" means different things to different tools; write "\\${char}" for the character`)
    found.push({ char, literal: escaped })
    escaped = false
  }
  if (escaped) throw new SyntaxError('it ends with a backslash')
  return found
}

/** Expands `{a,b}`, the leftmost first. */
function expand(glob: readonly Character[]): Character[][] {
  const special = (char: string) => (item: Character) => item.char === char && !item.literal
  const open = glob.findIndex(special('{'))
  if (open < 0) {
    if (glob.some(special('}'))) throw new SyntaxError('it has a "}" without a "{"')
    return [[...glob]]
  }
  const options: Character[][] = [[]]
  let depth = 1
  let end = open + 1
  for (; end < glob.length; end++) {
    const item = glob[end] as Character
    if (special('{')(item)) depth++
    else if (special('}')(item) && --depth === 0) break
    if (depth === 1 && special(',')(item)) options.push([])
    else options.at(-1)?.push(item)
  }
  if (depth > 0) throw new SyntaxError('it has a "{" without a "}"')
  if (options.length < 2) throw new SyntaxError('braces must contain alternatives, as in "{a,b}"')
  const expanded: Character[][] = []
  for (const option of options) {
    expanded.push(...expand([...glob.slice(0, open), ...option, ...glob.slice(end + 1)]))
    if (expanded.length > MAX_ALTERNATIVES) throw new SyntaxError(`it has more than ${MAX_ALTERNATIVES} alternatives`)
  }
  return expanded
}

function split(glob: readonly Character[]): Character[][] {
  const components: Character[][] = [[]]
  for (const item of glob) {
    if (item.char === '/') components.push([])
    else components.at(-1)?.push(item)
  }
  return components
}

function component(items: readonly Character[]): Component {
  const found = tokens(items)
  if (found.length === 2 && found.every((token) => token === STAR)) return GLOBSTAR
  if (found.some((token, i) => token === STAR && found[i - 1] === STAR))
    throw new SyntaxError('"**" matches whole components, so it must stand alone between slashes')
  return found.every((token) => typeof token === 'string') ? found.join('') : found
}

function tokens(items: readonly Character[]): (string | typeof STAR | typeof ONE)[] {
  return items.map(({ char, literal }) => (literal ? char : char === '*' ? STAR : char === '?' ? ONE : char))
}

function covers({ prefix, components }: Alternative, text: string): boolean {
  if (!text.startsWith(prefix)) return false
  const parts = text === '' ? [] : text.split('/')
  return wildcardMatch(components, parts, COMPONENTS)
}

function coversComponent(pattern: Component, text: string): boolean {
  if (typeof pattern === 'string') return pattern === text
  // "*" does not match an empty component.
  if (pattern === GLOBSTAR || text === '' || !isOrdinary(text)) return false
  return wildcardMatch(pattern, Array.from(text), CHARACTERS)
}

function isOrdinary(part: string): boolean {
  return part !== '.' && part !== '..'
}

/** What the items of a pattern match. */
interface Wildcards<Item, Value> {
  /** Whether it matches any number of values. */
  isMany: (item: Item | undefined) => boolean
  matchesOne: (item: Item, value: Value) => boolean
  /** Whether the value can be one of any number. */
  mayCover: (value: Value) => boolean
}

const CHARACTERS: Wildcards<string | symbol, string> = {
  isMany: (item) => item === STAR,
  matchesOne: (item, char) => item === ONE || item === char,
  mayCover: () => true,
}

const COMPONENTS: Wildcards<Component, string> = {
  isMany: (item) => item === GLOBSTAR,
  matchesOne: coversComponent,
  mayCover: isOrdinary,
}

/**
 * Matches a list against a pattern with "any number" items. Only the last such item reached is ever
 * extended: extending an earlier one could not find any other match.
 */
function wildcardMatch<P, T>(
  pattern: readonly P[],
  list: readonly T[],
  { isMany, matchesOne, mayCover }: Wildcards<P, T>,
): boolean {
  let p = 0
  let many = -1
  let resume = 0
  let i = 0
  while (i < list.length) {
    const item = pattern[p]
    if (isMany(item)) {
      many = p++
      resume = i
    } else if (p < pattern.length && matchesOne(item as P, list[i] as T)) {
      p++
      i++
    } else if (many >= 0 && mayCover(list[resume] as T)) {
      p = many + 1
      i = ++resume
    } else return false
  }
  return pattern.slice(p).every(isMany)
}

/** Matches a text that any of the globs matches. */
export function anyOf(globs: string | readonly string[]): (text: string) => boolean {
  const compiled = [globs].flat().map((glob) => compileGlob(glob).matches)
  return (text) => compiled.some((matches) => matches(text))
}
