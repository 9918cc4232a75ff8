import { shown } from '../../errors.ts'
import type { AcceptedSigner } from '../accepted-signer.ts'
import type { TextPattern } from '../schema/text.ts'
import type { Danger } from './finding.ts'
import { literalWildcard } from './literal-wildcard.ts'

/** Warnings about signers that are accepted too easily, or never. Their author probably meant something else. */
export function signerDangers(signer: AcceptedSigner): Danger[] {
  if (signer.method === 'key') return []
  return [...broadDangers(signer), ...exactDangers(signer), ...formDangers(signer)]
}

type NamedSigner = Exclude<AcceptedSigner, { method: 'key' }>

function broadDangers(signer: NamedSigner): Danger[] {
  if (signer.method === 'sigstore') return signer.identity.broad ? [broad('The identity is anybody, or nearly.')] : []
  const { subject, san } = signer
  if (!subject && !san) return [broad(`Whoever has a certificate under ${shown(signer.root)} is accepted.`)]
  const narrow = [subject, san].some((text) => text && !text.broad)
  return narrow ? [] : [broad(`The pattern covers nearly everybody under ${shown(signer.root)}.`)]
}

function broad(message: string): Danger {
  return { severity: 'warning', code: 'SIGNER_BROAD', message }
}

function exactDangers(signer: NamedSigner): Danger[] {
  const extensions = signer.method === 'sigstore' ? Object.entries(signer.extensions) : []
  return [...exactTexts(signer), ...extensions].flatMap(([field, text]) => literalWildcard(field, text))
}

function exactTexts(signer: NamedSigner): [string, string][] {
  const texts =
    signer.method === 'sigstore'
      ? { issuer: signer.issuer, identity: signer.identity }
      : { subject: signer.subject, san: signer.san, issuer: signer.issuer }
  return Object.entries(texts).flatMap(([field, text]): [string, string][] =>
    text?.exact === undefined ? [] : [[field, text.exact]],
  )
}

/** Warns of texts in a form that no signature has. */
function formDangers(signer: NamedSigner): Danger[] {
  const faultOf = signer.method === 'sigstore' ? sigstoreFault : distinguishedNameFault
  return exactTexts(signer).flatMap(([field, text]) => {
    const mend = spaceFault(text) ?? faultOf(field, text)
    return mend === undefined ? [] : [misspelt(field, text, mend)]
  })
}

function misspelt(field: string, text: string, mend: string): Danger {
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
function spaceFault(text: string): string | undefined {
  const written = text
    .replaceAll(/[\p{Zs}]/gu, ' ')
    .replaceAll(/[\p{Cc}\p{Cf}]/gu, '')
    .trim()
  return written === text ? undefined : `It has a space or an invisible character too many: write ${shown(written)}.`
}

function mailtoFault(text: string): string | undefined {
  const address = /^mailto:(.+)$/i.exec(text)?.[1]
  return address === undefined ? undefined : `Email addresses stand there without "mailto:": write ${shown(address)}.`
}

function sigstoreFault(field: string, text: string): string | undefined {
  if (field === 'identity' && mailtoFault(text) !== undefined) return mailtoFault(text)
  const [, untyped] = /^(?:email|URI|DNS): *(.+)$/is.exec(text) ?? []
  if (field === 'identity' && untyped !== undefined)
    return `Sigstore identities have no type before them: write ${shown(untyped)}.`
  if (field === 'issuer' && /^[\w-]+(\.[\w-]+)+(\/|$)/.test(text))
    return `Issuers are URLs: write ${shown(`https://${text}`)}.`
  // The issuers of Auth0 do end with a slash.
  if (field === 'issuer' && /^https:.*\/$/.test(text) && !/^https:\/\/[^/]+\.auth0\.com\/$/.test(text))
    return `Unless the provider writes its issuer with a slash at the end, which few do, write ${shown(text.replace(/\/+$/, ''))}.`
  return undefined
}

/** RFC 4514 puts a comma without a space between attributes, and no space around the equals sign. */
function distinguishedNameFault(field: string, text: string): string | undefined {
  if (field === 'san') return alternativeNameFault(text)
  const isSlashed = /^\/\w+=/.test(text)
  if (!isSlashed && !/^\w+ = |(?<!\\), *\w+ ?= ?/.test(text)) return undefined
  const parts = (isSlashed ? text.slice(1).split(/\/(?=\w+=)/) : text.split(/(?<!\\), */)).map((part) =>
    part.replace(/^(\w+) = /, '$1='),
  )
  const written = parts.join(',')
  return written === text
    ? undefined
    : `Write the name as in RFC 4514, without spaces around "," and "=": ${shown(written)}, or with the attributes in reverse order.`
}

function alternativeNameFault(text: string): string | undefined {
  const written = text.replace(/^(\w+): +/, '$1:')
  return written === text ? undefined : `Write ${shown(written)}.`
}
