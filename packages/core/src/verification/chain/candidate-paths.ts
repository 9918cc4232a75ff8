import type { KeyObject, X509Certificate } from 'node:crypto'
import { fingerprintOf, holderKey, isSignedWith, ReadCertificate } from '../../x509/certificate.ts'
import { ModelSealError } from '../../errors.ts'
import type { Effort } from '../effort.ts'
import { checkKey, checkSignatureAlgorithm } from '../../x509/strength.ts'

/** Longer than any real chain. */
const MAX_LENGTH = 12
/** Maximum number of paths to examine: cross-signing results in two or four. */
const MAX_PATHS = 16
/** Maximum number of search steps; each verifies at most one signature. */
const MAX_STEPS = 128

/** Certificates by their fingerprint. */
type CertificateSet = ReadonlyMap<string, X509Certificate>

/** Certificates to search, and the budget. */
interface PathSearch {
  intermediates: CertificateSet
  roots: CertificateSet
  effort: Effort
}

/** A certificate with the fields that the search compares repeatedly, each read once. */
class Candidate extends ReadCertificate {
  readonly fingerprint: string
  readonly subject: string
  #key: { read: KeyObject | undefined } | undefined

  constructor(x509: X509Certificate, fingerprint: string) {
    super(x509)
    this.fingerprint = fingerprint
    this.subject = nameKey(x509.subject)
  }

  get key(): KeyObject | undefined {
    this.#key ??= { read: holderKey(this.x509) }
    return this.#key.read
  }
}

/**
 * Finds the paths from a leaf to a root on which each certificate was signed by the next. The search is bounded and
 * validates nothing else. Names only select candidates; the signature decides, so the right one of several issuers with
 * the same name is found. A signature is verified only if its algorithm and key are on the list of strong ones.
 *
 * @throws {@link ModelSealError} `CHAIN_TOO_LARGE` if there are too many paths or steps, `ABORTED`; `CERTIFICATE_WEAK` or
 * `CERTIFICATE_INVALID` if there is no path and that may be the reason
 */
export async function* candidatePaths(
  leaf: X509Certificate,
  { intermediates, roots, effort }: PathSearch,
): AsyncGenerator<readonly ReadCertificate[]> {
  const issuers = bySubject(intermediates, roots)
  const verified = new Map<string, boolean>()
  const unusable = new Map<string, ModelSealError | undefined>()
  let steps = 0
  let paths = 0
  let fault: ModelSealError | undefined
  yield* extend([new Candidate(leaf, fingerprintOf(leaf))])
  if (paths === 0 && fault) throw fault

  async function* extend(path: readonly Candidate[]): AsyncGenerator<readonly ReadCertificate[]> {
    const last = path.at(-1)
    if (!last) return
    if (roots.has(last.fingerprint)) {
      if (++paths > MAX_PATHS) throw tooEntangled(`more than ${MAX_PATHS} paths`)
      yield path
      return
    }
    if (path.length >= MAX_LENGTH) return
    for (const issuer of issuers.get(nameKey(last.x509.issuer)) ?? []) {
      if (!roots.has(issuer.fingerprint) && path.some((passed) => isSameAuthority(passed, issuer))) continue
      if (++steps > MAX_STEPS) throw tooEntangled(`more than ${MAX_STEPS} steps`)
      if (await isSignedBy(last, issuer)) yield* extend([...path, issuer])
    }
  }

  async function isSignedBy(certificate: Candidate, issuer: Candidate): Promise<boolean> {
    const pair = certificate.fingerprint + issuer.fingerprint
    const known = verified.get(pair)
    if (known !== undefined) return known
    const weakness = (await weaknessOf(certificate)) ?? (issuer.key && (await refusalOf(() => checkKey(issuer.x509))))
    fault ??= weakness
    if (!weakness) await effort.signatures()
    const valid = !weakness && isSignedWith(certificate.x509, issuer.key)
    verified.set(pair, valid)
    return valid
  }

  async function weaknessOf(certificate: Candidate): Promise<ModelSealError | undefined> {
    const { x509, fingerprint } = certificate
    if (!unusable.has(fingerprint)) {
      await effort.turn()
      const check = async () => checkSignatureAlgorithm(x509, await certificate.signatureAlgorithm())
      unusable.set(fingerprint, await refusalOf(check))
    }
    return unusable.get(fingerprint)
  }
}

async function refusalOf(check: () => Promise<void> | void): Promise<ModelSealError | undefined> {
  try {
    await check()
    return undefined
  } catch (error) {
    if (error instanceof ModelSealError) return error
    throw error
  }
}

/** Roots first, for the shortest paths. */
function bySubject(intermediates: CertificateSet, roots: CertificateSet): Map<string, Candidate[]> {
  const issuers = new Map<string, Candidate[]>()
  const others = [...intermediates].filter(([fingerprint]) => !roots.has(fingerprint))
  for (const [fingerprint, x509] of [...roots, ...others]) {
    const candidate = new Candidate(x509, fingerprint)
    const namesakes = issuers.get(candidate.subject)
    if (namesakes) namesakes.push(candidate)
    else issuers.set(candidate.subject, [candidate])
  }
  return issuers
}

/** Ignores case and spaces, so it is coarser than the comparison of RFC 5280 7.1 that the validation makes. */
function nameKey(printed: string | undefined): string {
  return (printed ?? '').toLowerCase().replace(/\\? /g, '')
}

/** RFC 4158 2.4.2: a path contains each authority, by name and key, only once. */
function isSameAuthority(a: Candidate, b: Candidate): boolean {
  return a.subject === b.subject && a.key !== undefined && b.key !== undefined && a.key.equals(b.key)
}

function tooEntangled(found: string): ModelSealError {
  return new ModelSealError(
    'CHAIN_TOO_LARGE',
    'Cannot search for a chain: too many certificates have the same names.',
    {
      found,
    },
  )
}
