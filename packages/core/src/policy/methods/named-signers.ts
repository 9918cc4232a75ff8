import { shown } from '../../errors.ts'
import type { Danger } from '../checking/finding.ts'
import { literalWildcard } from '../checking/literal-wildcard.ts'
import { misspelt, spaceFault } from '../checking/misspelt.ts'
import type { TextMatcher } from '../matching/text-pattern.ts'
import type { Revocations } from '../revocations/revocations.ts'
import { WELL_DATED } from '../signature-time.ts'

/** Shared by the methods whose signers have names. */

/** The texts of an entry, by their fields. */
type Texts = Readonly<Record<string, TextMatcher | undefined>>

/** The method and the texts of an entry, for messages. @param exact further texts, by their fields */
export function describedTexts(method: string, texts: Texts, exact: Readonly<Record<string, string>> = {}): string {
  const patterns = Object.entries(texts).flatMap(([field, text]) => (text ? [`${field} ${shown(text.written)}`] : []))
  return [method, ...patterns, ...Object.entries(exact).map(([field, text]) => `${field} ${shown(text)}`)].join(', ')
}

export function broad(message: string): Danger {
  return { severity: 'warning', code: 'SIGNER_BROAD', message }
}

/**
 * Warns about texts that cannot match anything and were probably misspelt.
 *
 * @param faultOf returns what to write instead of a text that no signature has, as a sentence
 * @param exact further texts, by their fields
 */
export function textDangers(
  texts: Texts,
  faultOf: (field: string, text: string) => string | undefined,
  exact: Readonly<Record<string, string>> = {},
): Danger[] {
  const own = Object.entries(texts).flatMap(([field, text]): [string, string][] =>
    text?.exact === undefined ? [] : [[field, text.exact]],
  )
  return [
    ...[...own, ...Object.entries(exact)].flatMap(([field, text]) => literalWildcard(field, text)),
    ...own.flatMap(([field, text]) => {
      const fix = spaceFault(text) ?? faultOf(field, text)
      return fix === undefined ? [] : [misspelt(field, text, fix)]
    }),
  ]
}

/** True if the policy revokes one of the names that every signer of an entry has. */
export function revokesNames(
  names: readonly string[],
  issuer: TextMatcher | undefined,
  revocations: Revocations,
): boolean {
  const issuers = issuer?.exact === undefined ? [] : [issuer.exact]
  return revocations.identity({ names: names.flatMap(withKinds), issuers }, WELL_DATED) !== undefined
}

/** In a certificate, the kind of an identity precedes it, and the pattern of a revocation may include the kind. */
function withKinds(name: string): string[] {
  if (/^[A-Za-z]+:\/\//.test(name)) return [name, `URI:${name}`]
  return /^[^:=@\s]+@[^@\s]+$/.test(name) ? [name, `email:${name}`] : [name]
}
