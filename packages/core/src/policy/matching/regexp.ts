import type { RE2JS } from 're2js'
import { messageOf } from '../../any-realm.ts'
import { LibraryNeeded } from '../when-needed.ts'

/** Longer than any readable expression; bounds the time to compile one. */
const MAX_REGEXP_LENGTH = 512

/**
 * What is wrong with a regular expression, as a phrase; undefined if it is valid. The dialect is that
 * of RE2: no look-around and no back-references, and matching in time linear in the text.
 *
 * @throws {@link LibraryNeeded}
 */
export function regexpFault(source: string): string | undefined {
  if (source.length > MAX_REGEXP_LENGTH) return `it is longer than ${MAX_REGEXP_LENGTH} characters`
  try {
    compileRegexp(source)
    return undefined
  } catch (error) {
    if (error instanceof LibraryNeeded) throw error
    return messageOf(error)
  }
}

/**
 * Compiles a regular expression that must match the whole text, with anchors or without.
 *
 * @throws {@link LibraryNeeded}
 */
export function compileRegexp(
  source: string,
  { ignoreCase = false }: { ignoreCase?: boolean } = {},
): (text: string) => boolean {
  if (!engine) throw new LibraryNeeded(loadEngine)
  const expression = engine.RE2JS.compile(source, ignoreCase ? engine.RE2JS.CASE_INSENSITIVE : 0)
  return (text) => expression.testExact(text)
}

let engine: { RE2JS: typeof RE2JS } | undefined

/** It is large, and few policies need it. */
async function loadEngine(): Promise<void> {
  engine = await import('re2js')
}
