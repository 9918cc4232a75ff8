import { shown } from '../../errors.ts'
import type { Danger } from '../checking/finding.ts'
import { literalWildcard } from '../checking/literal-wildcard.ts'
import { misspelt, spaceFault } from '../checking/misspelt.ts'
import type { TextMatcher } from '../matching/text-pattern.ts'
import type { Revocations } from '../revocations/revocations.ts'
import { WELL_DATED } from '../signature-time.ts'

/** What methods whose signers have names share. */

/** The texts of an entry, by their fields. */
export type Texts = Readonly<Record<string, TextMatcher | undefined>>

/** The method and the texts of an entry, for people. @param exact further texts, by their fields */
export function describedTexts(method: string, texts: Texts, exact: Readonly<Record<string, string>> = {}): string {
  const patterns = Object.entries(texts).flatMap(([field, text]) => (text ? [`${field} ${shown(text.written)}`] : []))
  return [method, ...patterns, ...Object.entries(exact).map(([field, text]) => `${field} ${shown(text)}`)].join(', ')
}

export function broad(message: string): Danger {
  return { severity: 'warning', code: 'SIGNER_BROAD', message }
}

/**
 * Warns of texts that match nothing, though their author meant something.
 *
 * @param faultOf what is wrong with a text that no signature has: what to write instead, as a sentence
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
      const mend = spaceFault(text) ?? faultOf(field, text)
      return mend === undefined ? [] : [misspelt(field, text, mend)]
    }),
  ]
}

/** True where the policy revokes one of the names that every signer of an entry has. */
export function revokesNames(
  names: readonly string[],
  issuer: TextMatcher | undefined,
  revocations: Revocations,
): boolean {
  const issuers = issuer?.exact === undefined ? [] : [issuer.exact]
  return revocations.identity({ names: names.flatMap(withKinds), issuers }, WELL_DATED) !== undefined
}

/** A certificate has an identity with its kind, and a revocation by a pattern may name that. */
function withKinds(name: string): string[] {
  if (/^[A-Za-z]+:\/\//.test(name)) return [name, `URI:${name}`]
  return /^[^:=@\s]+@[^@\s]+$/.test(name) ? [name, `email:${name}`] : [name]
}
