import { isSyntaxError } from '../../any-realm.ts'
import { compileGlob, compileLooseGlob } from '../matching/glob.ts'
import { looseForm, reversedName, withoutKind, type LooseName } from './loose-name.ts'
import { compileRegexp } from '../matching/regexp.ts'
import type { TextPattern } from '../schema/text.ts'

/** A text of a revocation. */
export interface LooseText {
  /** The loose forms of an exact text; none for a pattern. */
  keys: readonly string[]
  matches: (name: LooseName) => boolean
}

/** Exact texts are compared in their loose form, without the kind; `*` in a pattern also matches `/`. */
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

/** The pattern as written, and in its loose form, or in lower case if that is not a valid pattern. */
function looseGlobs(pattern: string): ((text: string) => boolean)[] {
  const own = compileLooseGlob(pattern)
  try {
    return [compileLooseGlob(looseForm(pattern)), own]
  } catch (error) {
    if (!isSyntaxError(error)) throw error
    return [compileLooseGlob(pattern.toLowerCase()), own]
  }
}
