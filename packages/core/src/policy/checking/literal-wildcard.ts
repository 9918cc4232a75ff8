import { shown } from '../../errors.ts'
import type { TextPattern } from '../schema/text.ts'
import type { Danger } from './finding.ts'

/** Warns about a wildcard in a text that is compared exactly: it matches only itself, which is probably a mistake. */
export function literalWildcard(field: string, text: TextPattern | undefined): Danger[] {
  const wildcard = typeof text === 'string' ? wildcardIn(text) : undefined
  if (typeof text !== 'string' || wildcard === undefined) return []
  // A wildcard name in a certificate.
  if (/^(DNS:)?\*\.[^*]+$/.test(text)) return []
  const kind = /\.\*|^\^|\$$/.test(text) ? 'regexp' : 'pattern'
  const message = `The ${field} ${shown(text)} is compared exactly, but no ${field} contains ${wildcard.startsWith('{') ? 'alternatives in braces' : `a ${wildcard}`}. If it is meant as a wildcard, write { ${kind}: ${shown(text)} }.`
  return [{ severity: 'warning', code: 'WILDCARD_EXACT', message }]
}

/** The first wildcard in a text, if it was probably meant as one. */
export function wildcardIn(text: string): string | undefined {
  const [wildcard] = /\*|\?|\{[^{},]*,[^{}]*\}/.exec(text) ?? []
  // The query of a URL.
  return wildcard === '?' && /^https?:[^?]*\?[\w-]+=[^*{]*$/.test(text) ? undefined : wildcard
}
