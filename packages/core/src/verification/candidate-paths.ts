import type { X509Certificate } from 'node:crypto'
import { fingerprintOf, holderKey, isSignedWith } from '../bundle/certificate.ts'
import { ModelSealError } from '../errors.ts'

/** No real chain is longer. */
const MAX_LENGTH = 12
/** Paths that are looked at: cross-signing gives two or four. */
const MAX_PATHS = 32
/** Steps of the search; each is one signature at most. */
const MAX_STEPS = 512

/** Certificates by their fingerprint. */
export type CertificateSet = ReadonlyMap<string, X509Certificate>

/**
 * Finds the paths from a leaf to a root along which each certificate was signed by the next: a
 * search with bounds, which validates nothing else. Names only choose whom to try; the signature
 * decides, so that of several issuers of one name the right one is found.
 *
 * @throws {@link ModelSealError} `CHAIN_TOO_LARGE` where the certificates form a maze
 */
export function* candidatePaths(
  leaf: X509Certificate,
  intermediates: CertificateSet,
  roots: CertificateSet,
): Generator<readonly X509Certificate[]> {
  const issuers = bySubject(intermediates, roots)
  const verified = new Map<string, boolean>()
  let steps = 0
  let paths = 0
  yield* extend([leaf])

  function* extend(path: readonly X509Certificate[]): Generator<readonly X509Certificate[]> {
    const last = path.at(-1)
    if (!last) return
    if (roots.has(fingerprintOf(last))) {
      if (++paths > MAX_PATHS) throw maze(`more than ${MAX_PATHS} paths`)
      yield path
      return
    }
    if (path.length >= MAX_LENGTH) return
    for (const issuer of issuers.get(nameKey(last.issuer)) ?? []) {
      if (!roots.has(fingerprintOf(issuer)) && path.some((passed) => isSameAuthority(passed, issuer))) continue
      if (++steps > MAX_STEPS) throw maze(`more than ${MAX_STEPS} steps`)
      if (isSignedBy(last, issuer)) yield* extend([...path, issuer])
    }
  }

  function isSignedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
    const pair = fingerprintOf(certificate) + fingerprintOf(issuer)
    const known = verified.get(pair)
    if (known !== undefined) return known
    const valid = isSignedWith(certificate, holderKey(issuer))
    verified.set(pair, valid)
    return valid
  }
}

/** Roots first: the shortest way to trust. */
function bySubject(intermediates: CertificateSet, roots: CertificateSet): Map<string, X509Certificate[]> {
  const issuers = new Map<string, X509Certificate[]>()
  for (const certificate of [...roots.values(), ...intermediates.values()]) {
    const key = nameKey(certificate.subject)
    if (certificate === intermediates.get(fingerprintOf(certificate)) && roots.has(fingerprintOf(certificate))) continue
    issuers.set(key, [...(issuers.get(key) ?? []), certificate])
  }
  return issuers
}

/** Coarser than the comparison of RFC 5280 7.1, which the validation makes: case and spaces do not count. */
function nameKey(printed: string | undefined): string {
  return (printed ?? '').toLowerCase().replace(/\\? /g, '')
}

/** RFC 4158 2.4.2: a path does not pass one authority, by name and key, twice. */
function isSameAuthority(a: X509Certificate, b: X509Certificate): boolean {
  const [x, y] = [holderKey(a), holderKey(b)]
  return nameKey(a.subject) === nameKey(b.subject) && x !== undefined && y !== undefined && x.equals(y)
}

function maze(found: string): ModelSealError {
  return new ModelSealError('CHAIN_TOO_LARGE', 'The certificates are more entangled than any real chain.', { found })
}
