import { createHash, type X509Certificate } from 'node:crypto'
import { ModelSealError, shown } from '../errors.ts'
import { shownValue } from '../kinds.ts'
import { compileText, type TextMatcher } from '../policy/matching/text-pattern.ts'
import { textSchema, type TextPattern } from '../policy/schema/text.ts'
import { withLibraries } from '../policy/when-needed.ts'
import { readFulcioClaims } from '../verification/sigstore/fulcio-certificate.ts'
import { issuersOf } from '../verification/sigstore/authority.ts'
import type { SigstoreTrust } from '../verification/sigstore/trust.ts'
import { alternativeNames } from '../x509/alternative-names.ts'
import { parseCertificate, readX509, type Certificate } from '../x509/certificate.ts'

/** A certificate in the log that has a watched identity. */
export interface FoundCertificate {
  identity: string
  /** The OpenID Connect issuer of the identity; undefined if the certificate names none, as Fulcio's always do. */
  issuer: string | undefined
  certificate: {
    /** SHA-256 of the DER, in hex. */
    sha256: string
    notBefore: string
    notAfter: string
  }
  /**
   * True if an authority of the trusted root issued the certificate. Anyone can make another certificate with any
   * identity and log it. No verifier with this trusted root accepts it.
   */
  issued: boolean
}

/** The identities that a monitor looks for. */
export class WatchedIdentities {
  readonly #identities: readonly TextMatcher[]
  readonly #issuer: TextMatcher | undefined
  readonly #trust: SigstoreTrust

  private constructor(identities: readonly TextMatcher[], issuer: TextMatcher | undefined, trust: SigstoreTrust) {
    this.#identities = identities
    this.#issuer = issuer
    this.#trust = trust
  }

  /** @throws {@link ModelSealError} `INVALID_ARGUMENT` for a pattern that is not valid */
  static async of(
    identities: readonly TextPattern[],
    issuer: TextPattern | undefined,
    trust: SigstoreTrust,
  ): Promise<WatchedIdentities> {
    return withLibraries(() => {
      const matchers = identities.map((text, index) => matcherOf(text, `identities[${index}]`))
      return new WatchedIdentities(matchers, issuer === undefined ? undefined : matcherOf(issuer, 'issuer'), trust)
    })
  }

  /**
   * Looks for the identities in a certificate.
   *
   * @returns undefined if it has none of them
   * @throws {@link ModelSealError} `CERTIFICATE_INVALID` if it could have one of them in a form that cannot be read
   */
  async find(der: Buffer): Promise<FoundCertificate | undefined> {
    const plain = plainName(readX509(der))
    if (plain !== undefined && !this.#isWatched(plain)) return undefined
    const { certificate, names, issuer, isUnreadable } = await namesIn(der)
    const identity = names.find((name) => this.#isWatched(name))
    if (identity === undefined) {
      if (isUnreadable) throw new ModelSealError('CERTIFICATE_INVALID', 'A name in the certificate cannot be read.')
      return undefined
    }
    // Without an issuer it is not one of Fulcio's, and is reported as such.
    if (issuer !== undefined && this.#issuer?.matches(issuer) === false) return undefined
    const { x509 } = certificate
    return {
      identity,
      issuer,
      certificate: {
        sha256: createHash('sha256').update(der).digest('hex'),
        notBefore: timeIn(x509.validFrom),
        notAfter: timeIn(x509.validTo),
      },
      issued: issuersOf(x509, this.#trust).length > 0,
    }
  }

  #isWatched(name: string): boolean {
    return this.#identities.some(({ matches }) => matches(name))
  }
}

/**
 * The only name of a certificate, if it is plain text: nearly all certificates are of others, and reading all of a certificate
 * takes ten times as long.
 */
function plainName({ subjectAltName }: X509Certificate): string | undefined {
  return /^(?:email|URI):([^\s",]+)$/.exec(subjectAltName ?? '')?.[1]
}

/** @param time as OpenSSL wrote it: anyone can log a certificate with an invalid one */
function timeIn(time: string): string {
  const date = new Date(time)
  if (!Number.isNaN(date.getTime())) return date.toISOString()
  throw new ModelSealError('CERTIFICATE_INVALID', 'A time in the certificate cannot be read.')
}

interface Names {
  certificate: Certificate
  names: string[]
  issuer: string | undefined
  /** True if there are names that are not in the list. */
  isUnreadable: boolean
}

/** The names in a certificate, whoever issued it: logs accept any. */
async function namesIn(der: Buffer): Promise<Names> {
  try {
    const { certificate, identity, issuer } = await readFulcioClaims(der, undefined)
    return { certificate, names: [identity], issuer, isUnreadable: false }
  } catch (error) {
    if (!(error instanceof ModelSealError)) throw error
    const certificate = await parseCertificate(der)
    const names = await alternativeNames(certificate)
    const readable = names.filter(({ kind }) => kind !== 'unreadable').map(({ value }) => value)
    return { certificate, names: readable, issuer: undefined, isUnreadable: readable.length < names.length }
  }
}

function matcherOf(text: TextPattern, option: string): TextMatcher {
  const checked = textSchema.check(text)
  if (!('issues' in checked)) return compileText(checked.value)
  const [{ message, input }] = checked.issues
  const expected = /^expected (.*)$/s.exec(message)?.[1]
  const reason = expected === undefined ? `: ${message}` : ''
  throw new ModelSealError('INVALID_ARGUMENT', `Invalid value for option ${shown(option)}${reason}.`, {
    expected,
    found: shownValue(input),
  })
}
