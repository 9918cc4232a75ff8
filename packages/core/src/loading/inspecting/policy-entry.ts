import type { SigningMethod } from '../../bundle/materials/materials.ts'
import { isUnreadable } from '../../x509/alternative-names.ts'
import type { InspectedSigner } from './claimed-signer.ts'

/**
 * The part of a policy that trusts a signer: a trust root, and the `signers` of a rule.
 *
 * @returns YAML; undefined if the bundle does not name its signer well enough
 */
export function policyEntry(method: SigningMethod, signer: InspectedSigner): string | undefined {
  return ENTRIES[method](signer)
}

const ENTRIES: Record<SigningMethod, (signer: InspectedSigner) => string | undefined> = {
  key: ({ fingerprint }) =>
    fingerprint === undefined
      ? undefined
      : `trustRoots:
  release:
    # PEM file of the public key sha256:${fingerprint}.
    # The bundle is no proof of whose key it is: get the file from the publisher.
    publicKey: release.pub
signers:
  - key: release
`,
  certificate: ({ subject, subjectAltNames = [] }) => {
    const san = subjectAltNames.find((name) => !isUnreadable(name))
    if (san === undefined && !subject) return undefined
    return `trustRoots:
  authority:
    certificates:
      # PEM file of the root certificate. A bundle is no proof of whom to trust: get the file from the authority.
      roots: root.pem
signers:
  - certificate:
      root: authority
      ${san === undefined ? `subject: ${quoted(subject ?? '')}` : `san: ${quoted(san)}`}
`
  },
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
