import type { X509Certificate } from 'node:crypto'
import type * as pkijs from 'pkijs'
import {
  certificateName,
  extensionOf,
  fingerprintOf,
  parseCertificate,
  readX509,
  type Certificate,
  type CertificateInput,
  type ReadCertificate,
} from '../../x509/certificate.ts'
import { certificateCopy, certificatesCopy } from '../../x509/certificate-copy.ts'
import { ModelSealError } from '../../errors.ts'
import { bytesCopy, choice, dateCopy, listOf, required, signal } from '../../kinds.ts'
import { snapshot, type Shape } from '../../snapshot.ts'
import { candidatePaths } from './candidate-paths.ts'
import { Effort, passAbort } from '../effort.ts'
import { checkRevocation, parseLists } from './revocation.ts'
import { checkNameConstraints, isSelfIssued } from './name-constraints.ts'
import { checkCriticalExtensions } from '../../x509/critical-extensions.ts'
import { checkKey } from '../../x509/strength.ts'
import { invalid, validateByLibrary } from './library.ts'
import { checkNesting, USAGE_NAMES, type Usage } from './usage.ts'

export interface ChainInput {
  /** The certificate to validate. */
  leaf: CertificateInput
  /** Untrusted certificates between leaf and root, in any order. At most 32. */
  intermediates?: readonly CertificateInput[] | undefined
  /** The trust anchors: from the caller, never from the bundle. At most 1,024. */
  roots: readonly CertificateInput[]
  /**
   * Revocation lists (DER). If any are given, they must include one by the issuer of the leaf. Each
   * authority is looked up in the list of its issuer if that list is given. At most 32.
   */
  crls?: readonly Uint8Array[] | undefined
  /** When the certificates must be valid. Default: now. */
  at?: Date | undefined
  /**
   * When the revocation lists must be current. Default: `at`. If it is later than `at`, only
   * revocations that took effect up to `at` apply.
   */
  crlsAt?: Date | undefined
  /**
   * The purpose of the leaf, which the extended key usages of every certificate in the chain must allow. If absent, they
   * must have a usage in common.
   */
  usage?: Usage | undefined
  /** Aborts the validation (`ABORTED`). */
  signal?: AbortSignal | undefined
}

const INPUT: Shape<ChainInput> = {
  leaf: required(certificateCopy),
  intermediates: certificatesCopy,
  roots: required(certificatesCopy),
  crls: listOf(bytesCopy),
  at: dateCopy,
  crlsAt: dateCopy,
  usage: choice(...USAGE_NAMES),
  signal,
}

/** A valid chain. */
export interface ChainPath {
  /** Leaf first, root last; only the leaf if it is itself a root. */
  path: readonly X509Certificate[]
}

/** Real chains have two to four certificates, and a few more with cross-signing. */
const MAX_INTERMEDIATES = 32
/** The largest public collections of roots have about 150. */
const MAX_ROOTS = 1024
const MAX_CRLS = 32

/**
 * Validates the chain of a certificate up to a trusted root (RFC 5280 section 6). Signatures are
 * checked by OpenSSL, through `node:crypto`; validity, basic constraints, key usage, policies and name
 * constraints by pkijs. Additional checks cover what pkijs 4.0.0 does not: the path length, name
 * constraints of several authorities, extended key usages that do not nest, critical extensions of the leaf, and
 * malformed extensions. Keys and signature algorithms must be on a list of strong ones before a signature is verified.
 *
 * @throws {@link ModelSealError} `CERTIFICATE_INVALID`, `CERTIFICATE_EXPIRED`,
 * `CERTIFICATE_NOT_YET_VALID`, `CERTIFICATE_EXTENSION`, `CERTIFICATE_USAGE`, `CERTIFICATE_WEAK`, `CERTIFICATE_REVOKED`,
 * `CHAIN_NO_PATH`, `CHAIN_TOO_LARGE`, `CHAIN_NOT_CA`, `CHAIN_PATH_LENGTH`, `CHAIN_NAME_CONSTRAINT`,
 * `CHAIN_INVALID`, `CRL_INVALID`, `CRL_STALE`, `CRL_MISSING`, `INVALID_ARGUMENT`, `ABORTED`
 * @example
 * ```ts
 * const { path } = await validateChain({ leaf, intermediates, roots: await readCertificates('root.pem') })
 * console.log(path.map(({ subject }) => subject))
 * ```
 */
export async function validateChain(input: ChainInput): Promise<ChainPath> {
  const given = snapshot(input, INPUT, 'validateChain')
  // Without a prototype: missing fields are undefined.
  return validateWithin(given as StatedChain, new Effort(given.signal))
}

/** Every field must be present, so that nothing on `Object.prototype` can replace a missing one. */
export type StatedChain = { [Field in Exclude<keyof ChainInput, 'signal'>]-?: ChainInput[Field] }

/** Like {@link validateChain}, within the remaining effort of a load. */
export async function validateWithin(input: StatedChain, effort: Effort): Promise<ChainPath> {
  return { path: (await validPath(input, effort)).path.map(({ x509 }) => x509) }
}

/** A valid path, parsed. */
export interface ValidPath {
  /** Leaf first, root last. */
  path: readonly Certificate[]
  /** False if another path was refused before: at another time, or by other revocation lists, that one may be valid. */
  isFirst: boolean
}

/** Like {@link validateWithin}, but returns the parsed certificates. */
export async function validPath(input: StatedChain, effort: Effort): Promise<ValidPath> {
  const at = checkedTime(input.at ?? new Date())
  const crlsAt = checkedTime(input.crlsAt ?? at)
  const crls = copiesOf(input.crls)
  const roots = await unique(bounded(input.roots, MAX_ROOTS, 'roots'), effort)
  const given = bounded(input.intermediates ?? [], MAX_INTERMEDIATES, 'intermediate certificates')
  const intermediates = await unique(given, effort)

  let refusal: ModelSealError | undefined
  let lists: ReturnType<typeof parseLists> | undefined
  try {
    for await (const path of candidatePaths(readX509(input.leaf), { intermediates, roots, effort })) {
      try {
        const certificates = await parsePath(path, effort)
        await judgePath(certificates, { at, usage: input.usage, effort, known: false })
        lists ??= parseLists(crls)
        await checkRevocation(certificates, { lists: await lists, at, crlsAt })
        return { path: certificates, isFirst: refusal === undefined }
      } catch (error) {
        passAbort(error)
        refusal ??= error instanceof ModelSealError ? error : unforeseen(error)
      }
    }
  } catch (error) {
    passAbort(error)
    throw refusal ?? error
  }
  throw refusal ?? (await noPath(input.leaf, roots.size))
}

/**
 * Judges a path that {@link validPath} found by what may be different now: the time, and the revocation lists.
 *
 * @throws {@link ModelSealError} as {@link validateChain}
 */
export async function judgeKnownPath(
  path: readonly Certificate[],
  input: Pick<StatedChain, 'crls' | 'usage'> & { at: Date; crlsAt: Date },
  effort: Effort,
): Promise<void> {
  const { at, crlsAt, usage } = input
  await judgePath(path, { at, usage, effort, known: true })
  await checkRevocation(path, { lists: await parseLists(copiesOf(input.crls)), at, crlsAt })
}

function copiesOf(crls: StatedChain['crls']): Buffer[] {
  return bounded(crls ?? [], MAX_CRLS, 'revocation lists').map((der) => Buffer.from(der))
}

async function parsePath(path: readonly ReadCertificate[], effort: Effort): Promise<Certificate[]> {
  const certificates: Certificate[] = []
  for (const certificate of path) {
    certificates.push(await certificate.parsed())
    await effort.turn()
  }
  return certificates
}

interface PathCheck {
  at: Date
  usage: Usage | undefined
  effort: Effort
  /** True if the library has validated this path before: see `known-paths.ts`. */
  known: boolean
}

/** Checks everything but signatures and revocation. @param path leaf first, root last */
export async function judgePath(path: readonly Certificate[], { at, usage, effort, known }: PathCheck): Promise<void> {
  path.forEach((certificate) => checkValidity(certificate, at))
  path.forEach((certificate) => checkCriticalExtensions(certificate))
  path.forEach(({ x509 }) => checkKey(x509))
  checkNesting(path, usage)
  // A leaf that is itself a root is trusted as it is: there is no path to validate.
  if (path.length === 1) return
  checkNameChaining(path)
  await checkNameConstraints(path, effort)
  if (!known) await validateByLibrary(path, at)
  await effort.turn()
  checkPathLength(path)
}

/** RFC 5280 6.1.3 a 2. */
function checkValidity(certificate: Certificate, at: Date): void {
  const { notBefore, notAfter } = certificate.fields
  if (at >= notBefore.value && at <= notAfter.value) return
  const expired = at > notAfter.value
  throw new ModelSealError(
    expired ? 'CERTIFICATE_EXPIRED' : 'CERTIFICATE_NOT_YET_VALID',
    `The certificate ${certificateName(certificate)} ${expired ? 'has expired' : 'is not yet valid'}.`,
    {
      expected: `a time from ${notBefore.value.toISOString()} to ${notAfter.value.toISOString()}`,
      found: at.toISOString(),
      hint: expired
        ? 'Sign again with a current certificate. A signature with a trusted timestamp stays valid after its certificate expires.'
        : 'Check the clock of this machine.',
    },
  )
}

/** RFC 5280 6.1.3 a 4, including self-issued certificates, which pkijs does not check. */
function checkNameChaining(path: readonly Certificate[]): void {
  path.slice(0, -1).forEach((certificate, depth) => {
    const issuer = path[depth + 1]
    if (!issuer || !certificate.fields.issuer.isEqual(issuer.fields.subject))
      throw invalid(certificate, 'its issuer has a different name')
  })
}

/** RFC 5280 6.1.4 l, m: neither self-issued authorities nor the leaf count. */
function checkPathLength(path: readonly Certificate[]): void {
  let below = 0
  path.slice(1).forEach((authority) => {
    const constraints = extensionOf(authority.fields, '2.5.29.19') as pkijs.BasicConstraints | undefined
    const limit = constraints?.pathLenConstraint
    if (limit !== undefined && !(typeof limit === 'number' && limit >= below)) {
      throw new ModelSealError(
        'CHAIN_PATH_LENGTH',
        `The authority ${certificateName(authority)} allows fewer authorities below it than the chain has.`,
        { expected: typeof limit === 'number' ? `at most ${limit}` : 'a readable limit', found: String(below) },
      )
    }
    if (!isSelfIssued(authority)) below++
  })
}

async function noPath(leaf: CertificateInput, roots: number): Promise<ModelSealError> {
  const name = certificateName(await parseCertificate(leaf))
  return new ModelSealError('CHAIN_NO_PATH', `No chain leads from the certificate ${name} to a trusted root.`, {
    expected: 'each certificate signed by the next, up to a root that the verifier was given',
    found: roots === 1 ? 'no chain to the root' : `no chain to any of the ${roots} roots`,
    hint: 'Either the bundle lacks an intermediate certificate, or its signer is not under these roots.',
  })
}

/** A library failed on the content of a certificate, which is refused like any other unreadable one. */
function unforeseen(cause: unknown): ModelSealError {
  return new ModelSealError('CERTIFICATE_INVALID', 'Cannot validate a certificate in the chain.', { cause })
}

/** By fingerprint, so that a duplicate costs nothing. */
async function unique(
  certificates: readonly CertificateInput[],
  effort: Effort,
): Promise<Map<string, X509Certificate>> {
  const found = new Map<string, X509Certificate>()
  for (const certificate of certificates) {
    const x509 = readX509(certificate)
    found.set(fingerprintOf(x509), x509)
    await effort.turn()
  }
  return found
}

function bounded<T>(items: readonly T[], most: number, what: string): readonly T[] {
  if (items.length <= most) return [...items]
  throw new ModelSealError('CHAIN_TOO_LARGE', `There are more ${what} than any real chain needs.`, {
    expected: `at most ${most}`,
    found: String(items.length),
  })
}

function checkedTime(time: Date): Date {
  if (Number.isFinite(time.getTime())) return new Date(time)
  throw new ModelSealError('INVALID_ARGUMENT', 'Invalid date in the option "at" or "crlsAt".')
}
