import { shown } from '../../errors.ts'
import type { TextPattern } from '../schema/text.ts'
import type { Danger } from './finding.ts'

/** Warns of a wildcard in a text that is compared exactly. It stands for itself, which its author hardly meant. */
export function literalWildcard(field: string, text: TextPattern | undefined): Danger[] {
  if (typeof text !== 'string' || !text.includes('*')) return []
  // Certificates do have such names.
  if (/^(DNS:)?\*\.[^*]+$/.test(text)) return []
  const kind = /\.\*|^\^|\$$/.test(text) ? 'regexp' : 'pattern'
  const message = `The ${field} ${shown(text)} is compared exactly, but no ${field} contains a *. If it is meant as a wildcard, write { ${kind}: ${shown(text)} }.`
  return [{ severity: 'warning', code: 'WILDCARD_EXACT', message }]
}
