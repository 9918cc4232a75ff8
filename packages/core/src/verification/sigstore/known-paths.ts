import type { X509Certificate } from 'node:crypto'
import type { CertificateAuthority } from '@sigstore/protobuf-specs'
import {
  extensionOf,
  fingerprintOf,
  holderKey,
  isSignedWith,
  readX509,
  type Certificate,
} from '../../x509/certificate.ts'
import { judgePath, validPath, type StatedChain } from '../chain/chain.ts'
import { passesAgain, type Effort } from '../effort.ts'
import { checkSignatureAlgorithm } from '../../x509/strength.ts'
import type { Usage } from '../chain/usage.ts'

/** Name constraints and policy extensions: only with these does pkijs judge a leaf by its issuers. */
const BINDING = ['2.5.29.30', '2.5.29.33', '2.5.29.36', '2.5.29.54']

/** The parsed certificates of an authority, cached until they change. */
export function readAuthority(stated: CertificateAuthority): KnownAuthority {
  const ders = certificatesOf(stated)
  const found = known.get(stated) ?? recent.find((authority) => authority.hasExactly(ders))
  if (found?.hasExactly(ders)) return found
  const authority = new KnownAuthority(ders)
  known.set(stated, authority)
  recent.unshift(authority)
  recent.length = Math.min(recent.length, MAX_RECENT)
  return authority
}

const known = new WeakMap<CertificateAuthority, KnownAuthority>()
/** Without a policy, every load reads the same trusted root again. The public instances have four authorities each. */
const recent: KnownAuthority[] = []
const MAX_RECENT = 16

/** DER. */
export function certificatesOf({ certChain }: CertificateAuthority): Buffer[] {
  return (certChain?.certificates ?? []).map(({ rawBytes }) => rawBytes)
}

/**
 * An authority of a trusted root, and the paths among its certificates that were found valid. Their signatures and the
 * result of pkijs depend on neither leaf nor time, so they are cached. Validity and all our other checks are
 * repeated for each signature, and a refusal always comes from a full validation.
 */
class KnownAuthority {
  readonly certificates: readonly X509Certificate[]
  /** Paths from the issuer of the leaf up to the root, by the fingerprint of that issuer. */
  readonly #issuing = new Map<string, readonly Certificate[]>()
  /** The path from the authority's timestamping certificate up to the root. */
  #stamping: readonly Certificate[] | undefined

  constructor(ders: readonly Buffer[]) {
    this.certificates = ders.map((der) => readX509(der))
  }

  hasExactly(ders: readonly Buffer[]): boolean {
    return (
      ders.length === this.certificates.length &&
      ders.every((der, index) => this.certificates[index]?.raw.equals(der) === true)
    )
  }

  /** The certificates of this authority that signed the given one. */
  issuersOf(certificate: X509Certificate): X509Certificate[] {
    return this.certificates.filter(
      (issuer) => certificate.checkIssued(issuer) && isSignedWith(certificate, holderKey(issuer)),
    )
  }

  /**
   * Validates the chain of a signer.
   *
   * @param signedBy the certificates of this authority that signed the leaf
   * @throws {@link ModelSealError} as `validateChain`
   */
  async validateSigner(
    leaf: Certificate,
    signedBy: readonly X509Certificate[],
    at: Date,
    effort: Effort,
  ): Promise<void> {
    for (const issuer of signedBy) {
      const above = this.#issuing.get(fingerprintOf(issuer))
      if (above && (await isValidUnder(leaf, above, at, effort))) return
    }
    const { path } = await validPath(chainOf(leaf.x509, this.certificates, 'codeSigning', at), effort)
    const [, ...above] = path
    const [issuer] = above
    if (issuer) this.#issuing.set(fingerprintOf(issuer.x509), above)
  }

  /**
   * Validates the chain of the certificate with which it signs timestamps, its first.
   *
   * @throws {@link ModelSealError} as `validateChain`
   */
  async validateStamper(at: Date, effort: Effort): Promise<void> {
    const known = this.#stamping
    if (known && (await passesAgain(() => judgePath(known, { at, usage: 'timeStamping', effort, known: true })))) return
    const [signer = readX509(Buffer.alloc(0)), ...chain] = this.certificates
    this.#stamping = (await validPath(chainOf(signer, chain, 'timeStamping', at), effort)).path
  }
}

/** For a leaf that the first issuer signed. False means only that the leaf must be validated in full. */
async function isValidUnder(
  leaf: Certificate,
  issuers: readonly Certificate[],
  at: Date,
  effort: Effort,
): Promise<boolean> {
  const path = [leaf, ...issuers]
  if (path.some(({ fields }) => BINDING.some((id) => extensionOf(fields, id) !== undefined))) return false
  // RFC 4158 2.4.2: a path contains each authority only once.
  const key = holderKey(leaf.x509)
  if (!key || issuers.some(({ x509 }) => holderKey(x509)?.equals(key) !== false)) return false
  return passesAgain(async () => {
    await checkSignatureAlgorithm(leaf.x509, leaf.fields.signatureAlgorithm)
    await judgePath(path, { at, usage: 'codeSigning', effort, known: true })
  })
}

/** The trust anchors are the self-issued certificates. */
function chainOf(leaf: X509Certificate, certificates: readonly X509Certificate[], usage: Usage, at: Date): StatedChain {
  const roots = certificates.filter((x509) => x509.checkIssued(x509))
  return { leaf, intermediates: certificates, roots, crls: undefined, at, crlsAt: undefined, usage }
}
