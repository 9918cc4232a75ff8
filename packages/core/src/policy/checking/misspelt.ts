import { shown } from '../../errors.ts'
import type { TextPattern } from '../schema/text.ts'
import type { Danger } from './finding.ts'

/** Warns of a text in a form that no signature has. @param mend what to write instead, as a sentence */
export function misspelt(field: string, text: string, mend: string): Danger {
  return {
    severity: 'warning',
    code: 'SIGNER_MISSPELT',
    message: `The ${field} ${shown(text)} can match nothing. ${mend}`,
  }
}

/** Warns of a revoked identity, or its issuer, in a form that no signature has. */
export function misspeltRevocation(field: string, text: TextPattern | undefined): Danger[] {
  if (typeof text !== 'string') return []
  const mend = spaceFault(text) ?? mailtoFault(text)
  return mend === undefined ? [] : [misspelt(field, text, mend)]
}

/** Spaces that nobody sees, such as those that are copied from a web page. */
export function spaceFault(text: string): string | undefined {
  const written = text
    .replaceAll(/[\p{Zs}]/gu, ' ')
    .replaceAll(/[\p{Cc}\p{Cf}]/gu, '')
    .trim()
  return written === text ? undefined : `It has a space or an invisible character too many: write ${shown(written)}.`
}

/** What is wrong with an address that is a URL. */
export function mailtoFault(text: string): string | undefined {
  const address = /^mailto:(.+)$/i.exec(text)?.[1]
  return address === undefined ? undefined : `Email addresses stand there without "mailto:": write ${shown(address)}.`
}
