import { domainToUnicode } from 'node:url'
import { isIPv6 } from 'node:net'
import { compileGlob, compileLooseGlob } from './glob.ts'
import { compileRegexp } from './regexp.ts'
import type { TextPattern } from './text-schema.ts'

/**
 * Texts as revocations compare them. A rule has to err on the side of accepting too few, a revocation on the side of
 * finding too many: what one party could call the same name is the same here.
 */

/** A name that is looked up among the revoked ones. */
export interface LooseName {
  /** As it is written, with its kind and without. */
  written: readonly string[]
  /** The same, each in its loose form. */
  loose: readonly string[]
  /** The loose form without the kind. */
  key: string
}

/** A text of a revocation. */
export interface LooseText {
  /** The loose forms of an exact text; none for a pattern. */
  keys: readonly string[]
  matches: (name: LooseName) => boolean
}

export function looseName(text: string): LooseName {
  const bare = withoutKind(text)
  const key = looseForm(bare)
  return {
    written: [...new Set([text, bare])],
    loose: [...new Set([looseForm(text), key, reversedName(key)])],
    key,
  }
}

/** Exact texts are equal in their loose form, whatever kind they are written with; `*` of a pattern crosses `/`. */
export function compileLoose(text: TextPattern): LooseText {
  if (typeof text === 'string') {
    const key = looseForm(withoutKind(text))
    const keys = [...new Set([key, reversedName(key)])]
    return { keys, matches: (name) => keys.includes(name.key) }
  }
  if ('regexp' in text) {
    const expressions = [compileRegexp(text.regexp), compileRegexp(text.regexp, { ignoreCase: true })]
    const matches = ({ written, loose }: LooseName) =>
      expressions.some((matches) => written.some(matches) || loose.some(matches))
    return { keys: [], matches }
  }
  const strict = compileGlob(text.pattern).matches
  const globs = looseGlobs(text.pattern)
  return {
    keys: [],
    matches: ({ written, loose }) =>
      written.some(strict) || globs.some((matches) => loose.some(matches) || written.some(matches)),
  }
}

/** What the policy would call one name: no letter case, no kind of encoding, no dot or slash at an end. */
export function looseForm(text: string): string {
  let form = text
  if (form.includes('%')) form = form.replace(/(?:%[0-9a-f]{2})+/gi, decoded)
  if (!/^[\x21-\x7e]*$/.test(form)) {
    form = form
      .normalize('NFKC')
      .replace(/[\p{Cc}\p{Cf}]/gu, '')
      // RFC 4514 lets tools put spaces between the parts of a name.
      .replace(/\s*([,=+])\s*/g, '$1')
      .replace(/\s+/g, ' ')
      .trim()
  }
  // Upper case first: it has one form for letters that lower case tells apart.
  form = form.toUpperCase().toLowerCase().normalize('NFKC')
  if (form.includes('xn--')) form = form.replace(/xn--[a-z0-9-]+/g, (label) => domainToUnicode(label) || label)
  return address(
    form
      .replace(/^((?:uri:)?https:\/\/[^/?#]*):443(?=[/?#]|$)/, '$1')
      .replace(/^((?:uri:)?http:\/\/[^/?#]*):80(?=[/?#]|$)/, '$1')
      .replace(/\.+(?=$|[/:?#@,])/g, '')
      .replace(/\/+$/, ''),
  )
}

/** The kinds of names as policies write them. */
function withoutKind(text: string): string {
  return text.replace(/^(?:email|URI|DNS|IP|DirName|RID|otherName:[0-9.]+):/i, '')
}

function decoded(run: string): string {
  try {
    return decodeURIComponent(run)
  } catch {
    return run
  }
}

/** One spelling of an IPv6 address. */
function address(form: string): string {
  const [, kind = '', text = ''] = /^(ip:)?(.*)$/s.exec(form) ?? []
  return isIPv6(text) ? kind + new URL(`http://[${text}]`).hostname.slice(1, -1) : form
}

/** Tools write the attributes of a distinguished name in either order. */
function reversedName(form: string): string {
  return form.includes('=')
    ? form
        .split(/(?<!\\),/)
        .reverse()
        .join(',')
    : form
}

/** The pattern in its loose form and, where that is no pattern any more, as it is written. */
function looseGlobs(pattern: string): ((text: string) => boolean)[] {
  const own = compileLooseGlob(pattern)
  try {
    return [compileLooseGlob(looseForm(pattern)), own]
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    return [compileLooseGlob(pattern.toLowerCase()), own]
  }
}
