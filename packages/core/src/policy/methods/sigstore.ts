import * as s from '../../schema/define.ts'
import type { UnverifiedBundle } from '../../bundle/bundle.ts'
import type { SigstoreMaterial } from '../../bundle/materials/sigstore.ts'
import { ModelSealError, shown } from '../../errors.ts'
import { verifySigstoreWithin } from '../../verification/methods/known-sigstore.ts'
import { EXTENSION_NAMES, readFulcioClaims } from '../../verification/sigstore/fulcio-certificate.ts'
import type { SigstoreIdentity } from '../../results.ts'
import type { VerifiedEnvelope } from '../../verification/verified-signature.ts'
import { mailtoFault } from '../checking/misspelt.ts'
import { compileText, type TextMatcher } from '../matching/text-pattern.ts'
import type { Occasion } from '../occasion.ts'
import type { PolicyFacts } from '../policy-facts.ts'
import { looseName } from '../revocations/loose-name.ts'
import { nameSchema, textSchema } from '../schema/text.ts'
import { identifyByRoot } from './by-root.ts'
import type { Method } from './method.ts'
import { broad, describedTexts, revokesNames, textDangers } from './named-signers.ts'

export interface AcceptedSigstoreSigner {
  method: 'sigstore'
  root: string
  issuer: TextMatcher
  identity: TextMatcher
  /** Extensions of the certificate by name, each exact. */
  extensions: Readonly<Record<string, string>>
}

const schema = s.strictObject({
  sigstore: s
    .strictObject({
      root: nameSchema.describe('Name of a Sigstore trust root.'),
      issuer: textSchema.describe('The OpenID Connect issuer.'),
      identity: textSchema.describe('The identity that the issuer authenticated.'),
      extensions: s
        .optionalFields(s.oneOf(EXTENSION_NAMES), s.string().min(1).max(4096))
        .optional()
        .describe(
          'Extensions that the certificate must have, each with exactly this value: the repository, ref or trigger of a workflow.',
        ),
    })
    .describe('Keyless signers, by what their identity provider authenticated.'),
})

export const sigstoreMethod = {
  method: 'sigstore',
  schema,
  root: 'sigstore',
  proves: { log: true, age: true },
  rootName: ({ sigstore }) => sigstore.root,
  compile: ({ sigstore: { root, issuer, identity, extensions = {} } }) => ({
    method: 'sigstore',
    root,
    issuer: compileText(issuer),
    identity: compileText(identity),
    extensions: Object.fromEntries(Object.entries(extensions).map(([field, value]) => [field, value ?? ''])),
  }),
  described: ({ issuer, identity, extensions }) => describedTexts('sigstore', { issuer, identity }, extensions),

  identify: (identification) =>
    identifyByRoot(identification, {
      verify: (root) => verify(identification.bundle, root, identification.policy, identification.occasion),
      accepts,
      found: ({ identity, issuer }) => `${shown(identity)}, issuer ${shown(issuer)}`,
    }),

  claimed: () => 'the method sigstore',
  carried: ({ certificate }) => ({ keys: [], certificates: [certificate] }),
  /** The issuer of the identity and the issuer of its certificate: a policy may name either. */
  async issuers({ certificate }, { issuer }) {
    try {
      return [issuer, (await readFulcioClaims(certificate, undefined)).issuer]
    } catch (error) {
      if (error instanceof ModelSealError) return undefined
      throw error
    }
  },
  keyOf: () => undefined,
  names: ({ identity }) => [`san ${looseName(identity).key}`],
  dangers: ({ issuer, identity, extensions }) => [
    ...(identity.broad ? [broad('The identity matches nearly anybody.')] : []),
    ...textDangers({ issuer, identity }, sigstoreFault, extensions),
  ],
  isRevoked: ({ identity, issuer }, { revocations }) =>
    identity.exact !== undefined && revokesNames([identity.exact], issuer, revocations),
} satisfies Method<SigstoreMaterial, SigstoreIdentity, AcceptedSigstoreSigner, s.Infer<typeof schema>>

/** True if identity, issuer and extensions of the signer all match the entry. */
function accepts({ identity, issuer, extensions }: AcceptedSigstoreSigner, found: SigstoreIdentity): boolean {
  return (
    identity.matches(found.identity) &&
    issuer.matches(found.issuer) &&
    Object.entries(extensions).every(
      ([name, value]) => Object.hasOwn(found.extensions, name) && found.extensions[name] === value,
    )
  )
}

/**
 * Verifies a bundle against a trust root of a Sigstore instance.
 *
 * @param name of the trust root
 * @throws {@link ModelSealError} what `verifySigstoreBundle` throws; `TRUST_ROOT_INVALID` if the trust root could not be read
 */
async function verify(
  bundle: UnverifiedBundle,
  name: string,
  { roots }: PolicyFacts,
  { now, effort }: Occasion,
): Promise<VerifiedEnvelope<SigstoreIdentity>> {
  const root = roots.get(name)
  if (root?.kind === 'sigstore' && root.trust)
    return verifySigstoreWithin(bundle, await root.trust(), name, { now: new Date(now), effort })
  throw new ModelSealError('TRUST_ROOT_INVALID', `The trust root ${shown(name)} of the policy could not be read.`)
}

function sigstoreFault(field: string, text: string): string | undefined {
  if (field === 'identity' && mailtoFault(text) !== undefined) return mailtoFault(text)
  const untyped = /^(?:email|URI|DNS): *(.+)/is.exec(text)?.[1]
  if (field === 'identity' && untyped !== undefined)
    return `Sigstore identities are written without a type: write ${shown(untyped)}.`
  if (field === 'issuer' && /^[\w-]+(\.[\w-]+)+(\/|$)/.test(text))
    return `Issuers are URLs: write ${shown(`https://${text}`)}.`
  // The issuers of Auth0 end with a slash.
  if (field === 'issuer' && /^https:.*\/$/.test(text) && !/^https:\/\/[^/]+\.auth0\.com\/$/.test(text))
    return `Few providers end their issuer with a slash. Unless yours does, write ${shown(text.replace(/\/+$/, ''))}.`
  return undefined
}
