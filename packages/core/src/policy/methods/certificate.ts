import * as s from '../../schema/define.ts'
import type { UnverifiedBundle } from '../../bundle/bundle.ts'
import type { CertificateMaterial } from '../../bundle/materials/certificate.ts'
import { ModelSealError, shown } from '../../errors.ts'
import { passAbort } from '../../verification/effort.ts'
import { verifyCertificateWithin } from '../../verification/methods/certificate.ts'
import type { CertificateIdentity } from '../../results.ts'
import type { VerifiedEnvelope } from '../../verification/verified-signature.ts'
import { isUnreadable } from '../../x509/alternative-names.ts'
import { compileText, type TextMatcher } from '../matching/text-pattern.ts'
import type { Occasion } from '../occasion.ts'
import type { PolicyFacts } from '../policy-facts.ts'
import type { Authorities } from '../roots/certificates.ts'
import { looseName } from '../revocations/loose-name.ts'
import { nameSchema, textSchema, type TextPattern } from '../schema/text.ts'
import { identifyByRoot } from './by-root.ts'
import type { Method } from './method.ts'
import { broad, describedTexts, revokesNames, textDangers } from './named-signers.ts'

export interface AcceptedCertificateSigner {
  method: 'certificate'
  root: string
  subject: TextMatcher | undefined
  san: TextMatcher | undefined
  issuer: TextMatcher | undefined
}

const TYPED = /^(?:email|URI|DNS|IP|DirName|RID|otherName:[0-9]+(?:\.[0-9]+)+):./

const typedName = textSchema
  .refine(
    (text) => typeof text !== 'string' || TYPED.test(text),
    'expected a name with its type: email:…, URI:…, DNS:…, IP:… or otherName:OID:…',
  )
  .inJson({ pattern: TYPED.source })

const schema = s.strictObject({
  certificate: s
    .strictObject({
      root: nameSchema.describe('Name of a trust root of certificates.'),
      subject: textSchema.optional().describe('Subject of the leaf certificate, in the notation of RFC 4514.'),
      san: typedName
        .optional()
        .describe('One of its subject alternative names, with its type: email:…, URI:… or DNS:….'),
      issuer: textSchema.optional().describe('Issuer of the leaf certificate, in the notation of RFC 4514.'),
    })
    .describe('Signers with a certificate: every field must match the leaf certificate.'),
})

export const certificateMethod = {
  method: 'certificate',
  schema,
  root: 'certificates',
  proves: { log: false, age: true },
  rootName: ({ certificate }) => certificate.root,
  compile: ({ certificate: { root, subject, san, issuer } }) => ({
    method: 'certificate',
    root,
    subject: optional(subject),
    san: optional(san),
    issuer: optional(issuer),
  }),
  described: ({ subject, san, issuer }) => describedTexts('certificate', { subject, san, issuer }),

  identify: (identification) =>
    identifyByRoot(identification, {
      verify: (root) => verify(identification.bundle, root, identification.policy, identification.occasion),
      accepts,
      found: ({ subject, subjectAltNames }) => [subject, ...subjectAltNames].filter(Boolean).map(shown).join(', '),
    }),

  claimed: () => 'the method certificate',
  carried: ({ certificates }) => ({ keys: [], certificates }),
  issuers: (_, { issuer }) => Promise.resolve([issuer]),
  keyOf: () => undefined,
  /** Compared loosely, whatever their kind: two names that may be the same signer count once. */
  names: ({ rootFingerprint, subject, fingerprint, subjectAltNames }) => [
    ...(subject === '' ? [] : [`subject ${rootFingerprint} ${subject}`]),
    `certificate ${fingerprint}`,
    ...subjectAltNames.map((name) => `san ${looseName(name).key}`),
  ],
  dangers: ({ root, subject, san, issuer }) => [
    ...broadDangers([subject, san], root),
    ...textDangers({ subject, san, issuer }, distinguishedNameFault),
  ],
  isRevoked({ root: name, subject, san, issuer }, { roots, revocations }) {
    const root = roots.get(name)
    const hasNoRoot = root?.kind === 'certificates' && root.trusted.roots.length === 0 && root.revoked.roots.length > 0
    const exact = [subject, san].flatMap((name) => name?.exact ?? [])
    return hasNoRoot || revokesNames([...exact, ...namesIn(subject?.exact ?? '')], issuer, revocations)
  },
} satisfies Method<CertificateMaterial, CertificateIdentity, AcceptedCertificateSigner, s.Infer<typeof schema>>

function optional(text: TextPattern | undefined): TextMatcher | undefined {
  return text === undefined ? undefined : compileText(text)
}

/** True if the leaf certificate has everything that the entry names. */
function accepts({ subject, san, issuer }: AcceptedCertificateSigner, found: CertificateIdentity): boolean {
  return (
    (subject?.matches(found.subject) ?? true) &&
    (issuer?.matches(found.issuer) ?? true) &&
    (san === undefined || found.subjectAltNames.some((name) => !isUnreadable(name) && san.matches(name)))
  )
}

/**
 * Verifies a bundle against a trust root of certificates, without those that the policy revokes.
 *
 * @param name of the trust root
 * @throws {@link ModelSealError} `CERTIFICATE_REVOKED` if the signature depends on a revoked authority; otherwise what
 * `verifyCertificateBundle` throws
 */
async function verify(
  bundle: UnverifiedBundle,
  name: string,
  { roots, timestampAuthorities }: PolicyFacts,
  { now, effort }: Occasion,
): Promise<VerifiedEnvelope<CertificateIdentity>> {
  const root = roots.get(name)
  if (root?.kind !== 'certificates') throw new RangeError(`no certificates named ${name}`)
  const { crls, trusted, revoked } = root
  const by = (authorities: Authorities) =>
    verifyCertificateWithin(bundle, { authorities, crls, timestampAuthorities, now: new Date(now), effort }, name)
  try {
    return await by(trusted)
  } catch (error) {
    passAbort(error)
    if (revoked.roots.length + revoked.intermediates.length === 0) throw error
    const all = {
      roots: [...trusted.roots, ...revoked.roots],
      intermediates: [...trusted.intermediates, ...revoked.intermediates],
    }
    const otherwiseValid = await by(all).catch(passAbort)
    if (!otherwiseValid) throw error
    throw new ModelSealError(
      'CERTIFICATE_REVOKED',
      `The policy revokes an authority of ${shown(name)} that the signature depends on.`,
      {
        file: bundle.path,
        signer: name,
        hint: 'Do not load the model. Ask its publisher to sign it again.',
        cause: error,
      },
    )
  }
}

function broadDangers(names: readonly (TextMatcher | undefined)[], root: string) {
  if (names.every((text) => !text)) return [broad(`Anyone with a certificate under ${shown(root)} is accepted.`)]
  const isNarrow = names.some((text) => text && !text.broad)
  return isNarrow ? [] : [broad(`The pattern matches nearly everybody under ${shown(root)}.`)]
}

/** The names in a subject that a revocation can match, too. */
function namesIn(subject: string): string[] {
  const attributes = subject.matchAll(/(?:^|(?<!\\)[,+])(?:CN|UID|E|emailAddress)=((?:\\.|[^,+\\])+)/gi)
  return Array.from(attributes, ([, value = '']) => value.replace(/\\(.)/g, '$1'))
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
