import type { KeyObject, X509Certificate } from 'node:crypto'
import type * as pkijs from 'pkijs'
import { holderKey } from './certificate.ts'
import { ModelSealError, shown } from '../errors.ts'

// The allowed algorithms and keys. Everything else is refused before any signature is verified with it.

/** Digest length in bytes, by object identifier. */
const HASHES: ReadonlyMap<string, number> = new Map([
  ['2.16.840.1.101.3.4.2.1', 32], // SHA-256
  ['2.16.840.1.101.3.4.2.2', 48], // SHA-384
  ['2.16.840.1.101.3.4.2.3', 64], // SHA-512
])

/** RFC 4055 section 5: SHA-256, SHA-384, SHA-512 with RSA. */
const RSA = new Set(['1.2.840.113549.1.1.11', '1.2.840.113549.1.1.12', '1.2.840.113549.1.1.13'])
/** RFC 5758 3.2: ECDSA with SHA-256, SHA-384, SHA-512; RFC 8410: Ed25519. */
const WITHOUT_PARAMETERS = new Set(['1.2.840.10045.4.3.2', '1.2.840.10045.4.3.3', '1.2.840.10045.4.3.4', '1.3.101.112'])
/** Names of refused algorithms, for messages. */
const WEAK_NAMES: ReadonlyMap<string, string> = new Map([
  ['1.2.840.113549.1.1.4', 'MD5 with RSA'],
  ['1.2.840.113549.1.1.5', 'SHA-1 with RSA'],
  ['1.2.840.10045.4.1', 'SHA-1 with ECDSA'],
])
const RSASSA_PSS = '1.2.840.113549.1.1.10'
const MGF1 = '1.2.840.113549.1.1.8'
const NULL_TAG = 5

const CURVES = new Set(['prime256v1', 'secp384r1', 'secp521r1'])
const MIN_RSA_BITS = 2048
/** Larger keys are not in use and cost milliseconds per signature. */
const MAX_RSA_BITS = 8192
/** FIPS 186-5 allows more, but real exponents are 3 and 65537, and larger ones make verification slower. */
const MAX_EXPONENT = 2n ** 33n

const ALLOWED =
  'SHA-256, SHA-384 or SHA-512 with RSA of 2048 to 8192 bits, with ECDSA on P-256, P-384 or P-521, or Ed25519'

/**
 * Refuses a certificate whose key is not on the list of strong keys.
 *
 * @throws {@link ModelSealError} `CERTIFICATE_WEAK`
 */
export function checkKey(certificate: X509Certificate, path?: string): void {
  const key = holderKey(certificate)
  const weakness = key ? weaknessOfKey(key) : 'a key that cannot be read'
  if (weakness !== undefined) throw weak(certificate, 'its key is too weak', weakness, path)
}

/**
 * Refuses a certificate whose signature algorithm is not on the list. Not for trust anchors, whose self-signature proves
 * nothing.
 *
 * @param algorithm with which the certificate was signed
 * @throws {@link ModelSealError} `CERTIFICATE_WEAK`
 */
export async function checkSignatureAlgorithm(
  certificate: X509Certificate,
  algorithm: pkijs.AlgorithmIdentifier,
  path?: string,
): Promise<void> {
  const weakness = await weaknessOfAlgorithm(algorithm)
  if (weakness !== undefined) throw weak(certificate, 'its signature algorithm is too weak', weakness, path)
}

/** Why no signature by the key counts; undefined if it is strong enough. */
export function weaknessOfKey(key: KeyObject): string | undefined {
  const { modulusLength = 0, publicExponent = 0n, namedCurve = 'without name' } = key.asymmetricKeyDetails ?? {}
  switch (key.asymmetricKeyType) {
    case 'ed25519':
      return undefined
    case 'ec':
      return CURVES.has(namedCurve) ? undefined : `a key on the curve ${namedCurve}`
    case 'rsa':
    case 'rsa-pss':
      if (modulusLength < MIN_RSA_BITS || modulusLength > MAX_RSA_BITS) return `an RSA key of ${modulusLength} bits`
      return publicExponent >= 3n && publicExponent < MAX_EXPONENT && publicExponent % 2n === 1n
        ? undefined
        : 'an RSA key with an unusual exponent'
    default:
      return `a key of type ${key.asymmetricKeyType ?? 'unknown'}`
  }
}

/** Why no signature with the algorithm counts; undefined if it is strong enough. */
export async function weaknessOfAlgorithm(algorithm: pkijs.AlgorithmIdentifier): Promise<string | undefined> {
  const { algorithmId } = algorithm
  const parameters = algorithm.algorithmParams as Parameters | undefined
  if (WITHOUT_PARAMETERS.has(algorithmId)) return parameters ? `parameters of ${algorithmId}` : undefined
  if (RSA.has(algorithmId)) return isNullOrAbsent(parameters) ? undefined : `parameters of ${algorithmId}`
  if (algorithmId === RSASSA_PSS) return weaknessOfPss(parameters)
  return `the algorithm ${WEAK_NAMES.get(algorithmId) ?? algorithmId}`
}

interface Parameters {
  idBlock: { tagClass: number; tagNumber: number }
}

/** RFC 4055 section 5: NULL must be written, but its absence must be accepted. */
function isNullOrAbsent(parameters: Parameters | undefined): boolean {
  return !parameters || (parameters.idBlock.tagClass === 1 && parameters.idBlock.tagNumber === NULL_TAG)
}

/** RFC 4055 3.1: the defaults are SHA-1. */
async function weaknessOfPss(parameters: Parameters | undefined): Promise<string | undefined> {
  const { AlgorithmIdentifier, RSASSAPSSParams } = await import('pkijs')
  try {
    const { hashAlgorithm, maskGenAlgorithm, saltLength, trailerField } = new RSASSAPSSParams({ schema: parameters })
    const bytes = HASHES.get(hashAlgorithm.algorithmId)
    if (bytes === undefined) return `RSASSA-PSS with the hash ${hashAlgorithm.algorithmId}`
    const mask = new AlgorithmIdentifier({ schema: maskGenAlgorithm.algorithmParams as unknown })
    if (maskGenAlgorithm.algorithmId !== MGF1 || mask.algorithmId !== hashAlgorithm.algorithmId)
      return `RSASSA-PSS with the mask ${maskGenAlgorithm.algorithmId} of ${mask.algorithmId}`
    if (saltLength < bytes || saltLength > MAX_RSA_BITS / 8) return `RSASSA-PSS with ${saltLength} bytes of salt`
    return trailerField === 1 ? undefined : `RSASSA-PSS with the trailer ${trailerField}`
  } catch {
    return 'RSASSA-PSS without readable parameters'
  }
}

function weak(certificate: X509Certificate, what: string, found: string, path: string | undefined): ModelSealError {
  return new ModelSealError(
    'CERTIFICATE_WEAK',
    `Cannot trust the certificate ${shown(certificate.subject.replaceAll('\n', ','))}: ${what}.`,
    {
      file: path,
      expected: ALLOWED,
      found,
      hint: 'Request a new certificate with a stronger key and algorithm.',
    },
  )
}
