import { compileGlob } from './glob.ts'
import { compileRegexp } from './regexp.ts'
import type { TextPattern } from '../schema/text.ts'

/** Tells whether a name or identity matches a text of the policy. */
export interface TextMatcher {
  matches: (text: string) => boolean
  /** As written in the policy, for messages. */
  written: string
  /** The text, if it is compared exactly. */
  exact?: string
  /** True if nearly everything matches. */
  broad: boolean
}

/** A pattern that matches one of these matches nearly anybody. */
const ANYBODY = ['', 'x', 'URI:https://a.example/b/c@d', 'email:x@y.example']

/**
 * Compiles a text of the policy. A string is compared exactly; only `{ pattern }` and `{ regexp }`
 * are patterns, and must match the whole text. Both run in bounded time.
 */
export function compileText(text: TextPattern): TextMatcher {
  if (typeof text === 'string') {
    return { matches: (found) => found === text, written: text, exact: text, broad: false }
  }
  const [matches, written] =
    'pattern' in text
      ? [compileGlob(text.pattern).matches, `pattern ${text.pattern}`]
      : [compileRegexp(text.regexp), `regexp ${text.regexp}`]
  return { matches, written, broad: ANYBODY.some(matches) }
}
