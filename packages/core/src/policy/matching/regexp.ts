import { messageOf } from '../../any-realm.ts'
import { RE2JS } from 're2js'

/** Longer than any readable expression; bounds the time to compile one. */
const MAX_REGEXP_LENGTH = 512

/**
 * What is wrong with a regular expression, as a phrase; undefined if it is valid. The dialect is that
 * of RE2: no look-around and no back-references, and matching in time linear in the text.
 */
export function regexpFault(source: string): string | undefined {
  if (source.length > MAX_REGEXP_LENGTH) return `it is longer than ${MAX_REGEXP_LENGTH} characters`
  try {
    compileRegexp(source)
    return undefined
  } catch (error) {
    return messageOf(error)
  }
}

/** Compiles a regular expression that must match the whole text, with anchors or without. */
export function compileRegexp(
  source: string,
  { ignoreCase = false }: { ignoreCase?: boolean } = {},
): (text: string) => boolean {
  const expression = RE2JS.compile(source, ignoreCase ? RE2JS.CASE_INSENSITIVE : 0)
  return (text) => expression.testExact(text)
}
