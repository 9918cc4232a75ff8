import { compileGlob } from './glob.ts'
import { compileRegexp } from './regexp.ts'
import type { TextPattern } from '../schema/text.ts'

/** Says whether a name or identity is one that the policy means. */
export interface TextMatcher {
  matches: (text: string) => boolean
  /** As the policy has it, for messages. */
  written: string
  /** The whole text, where it is exact. */
  exact?: string
  /** True where nearly everything matches. */
  broad: boolean
}

/** Whoever accepts these accepts anybody. */
const ANYBODY = ['', 'x', 'URI:https://a.example/b/c@d', 'email:x@y.example']

/**
 * Compiles a text of the policy: a string is equal or is not; only what is written as
 * `{ pattern }` or `{ regexp }` is a pattern, and covers the whole text. Both run in bounded time.
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
