import { shown } from '../../errors.ts'
import type { TextPattern } from '../schema/text.ts'
import type { Danger } from './finding.ts'

/** Warns about a text in a form that no signature has. @param fix what to write instead, as a sentence */
export function misspelt(field: string, text: string, fix: string): Danger {
  return {
    severity: 'warning',
    code: 'SIGNER_MISSPELT',
    message: `The ${field} ${shown(text)} cannot match anything. ${fix}`,
  }
}

/** Warns about a revoked identity or issuer in a form that no signature has. */
export function misspeltRevocation(field: string, text: TextPattern | undefined): Danger[] {
  if (typeof text !== 'string') return []
  const fix = spaceFault(text) ?? mailtoFault(text)
  return fix === undefined ? [] : [misspelt(field, text, fix)]
}

/** Extra or invisible spaces, such as those copied from a web page. */
export function spaceFault(text: string): string | undefined {
  const written = text
    .replaceAll(/[\p{Zs}]/gu, ' ')
    .replaceAll(/[\p{Cc}\p{Cf}]/gu, '')
    .trim()
  return written === text ? undefined : `It has an extra space or an invisible character: write ${shown(written)}.`
}

/** A `mailto:` URL in place of an email address. */
export function mailtoFault(text: string): string | undefined {
  const address = /^mailto:(.+)/is.exec(text)?.[1]
  return address === undefined ? undefined : `Email addresses are written without "mailto:": write ${shown(address)}.`
}
