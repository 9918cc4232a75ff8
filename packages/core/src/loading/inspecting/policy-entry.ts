import type { SigningMethod } from '../../bundle/materials/materials.ts'
import { isUnreadable } from '../../x509/alternative-names.ts'
import type { InspectedSigner } from './claimed-signer.ts'

/**
 * The part of a policy that trusts a signer: a trust root, and the `signers` of a rule.
 *
 * @param suffix of the names that it gives to the trust root and its file
 * @returns YAML; undefined if the bundle does not name its signer well enough
 */
export function policyEntry(method: SigningMethod, signer: InspectedSigner, suffix = ''): string | undefined {
  return ENTRIES[method](signer, suffix)
}

/** The entries for the signers of one model. The same signer has the same entry, and no name has two meanings. */
export class PolicyEntries {
  readonly #seen = new Map<SigningMethod, string[]>()

  /** @returns as {@link policyEntry} does */
  of(method: SigningMethod, signer: InspectedSigner): string | undefined {
    const entry = policyEntry(method, signer)
    if (entry === undefined) return undefined
    const seen = this.#seen.get(method) ?? []
    this.#seen.set(method, seen)
    if (!seen.includes(entry)) seen.push(entry)
    const index = seen.indexOf(entry)
    return index === 0 ? entry : policyEntry(method, signer, `-${index + 1}`)
  }
}

/** The suffix is that of names of trust roots and their files. */
const ENTRIES: Record<SigningMethod, (signer: InspectedSigner, suffix: string) => string | undefined> = {
  key: ({ fingerprint }, suffix) =>
    fingerprint === undefined
      ? undefined
      : `trustRoots:
  release${suffix}:
    # PEM file of the public key sha256:${fingerprint}.
    # The bundle is no proof of whose key it is: get the file from the publisher.
    publicKey: release${suffix}.pub
signers:
  - key: release${suffix}
`,
  certificate: ({ subject, subjectAltNames = [] }, suffix) => {
    const san = subjectAltNames.find((name) => !isUnreadable(name))
    const named = san !== undefined ? `san: ${quoted(san)}` : subject ? `subject: ${quoted(subject)}` : undefined
    if (named === undefined) return undefined
    return `trustRoots:
  authority${suffix}:
    certificates:
      # PEM file of the root certificate. A bundle is no proof of whom to trust: get the file from the authority.
      roots: root${suffix}.pem
signers:
  - certificate:
      root: authority${suffix}
      ${named}
`
  },
  // One instance of Sigstore certifies any number of identities.
  sigstore: ({ identity, issuer }) =>
    identity === undefined || issuer === undefined
      ? undefined
      : `trustRoots:
  sigstore:
    # For a private instance: { file: trusted_root.json }
    sigstore: public-good
signers:
  - sigstore:
      root: sigstore
      issuer: ${quoted(issuer)}
      identity: ${quoted(identity)}
`,
}

/** A double-quoted scalar: every JSON string is one in YAML. Whatever could break the line is escaped. */
function quoted(text: string): string {
  return JSON.stringify(text).replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (char) =>
    char
      .split('')
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
      .join(''),
  )
}
