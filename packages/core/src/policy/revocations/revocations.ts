import type { KeyObject } from 'node:crypto'
import { keyFingerprints } from '../../x509/public-key.ts'
import { ModelSealError, shown, type ErrorCode } from '../../errors.ts'
import type { RevokedText } from './schema.ts'
import type { CertificateFacts } from './certificate-facts.ts'
import { ANY_TIME, type SignatureBounds } from '../signature-time.ts'
import { looseName } from './loose-name.ts'
import type { PackageName } from './package-url.ts'
import {
  exactName,
  RevocationList,
  serialName,
  type ExactName,
  type FingerprintsOfFiles,
  type Revocation,
} from './revocation-list.ts'

/** A signer to look up among the revoked identities. */
interface IdentityFacts {
  /** Subject, and alternative names with their types. */
  names: readonly string[]
  /** Names that cannot be read: each may be a revoked one. */
  unreadable?: readonly string[]
  /** Issuers of the certificate and of a keyless identity; undefined if unknown: then every issuer matches. */
  issuers?: readonly string[] | undefined
}

/** Everything that is revoked for a policy: by its files, and by others on whom it relies. */
export class Revocations {
  readonly #own: RevocationList
  /** Those of the policy first. */
  readonly #lists: readonly RevocationList[]
  /** Maps each fingerprint of a key that the policy names to all fingerprints of that key. */
  readonly #keys: Map<string, readonly string[]>

  /** @param policy and further lists, see {@link with} */
  constructor(policy?: Revocations, further: readonly RevocationList[] = []) {
    this.#own = policy ? policy.#own : new RevocationList('the policy')
    this.#lists = [this.#own, ...further]
    this.#keys = policy ? policy.#keys : new Map<string, readonly string[]>()
  }

  /** What the policy revokes, and what others do. Nothing is copied, and keys are known by all fingerprints that the policy knows. */
  with(further: readonly RevocationList[]): Revocations {
    return new Revocations(this, [...this.#lists.slice(1), ...further])
  }

  /** @param files fingerprints of the entries that name a file */
  add(revoked: RevokedText, files?: FingerprintsOfFiles): void {
    this.#own.add(revoked, files)
  }

  /** Algorithms of revoked file digests. */
  get fileAlgorithms(): ReadonlySet<string> {
    return this.#lists.length === 1
      ? this.#own.fileAlgorithms
      : new Set(this.#lists.flatMap(({ fileAlgorithms }) => [...fileAlgorithms]))
  }

  /** True if any root digest is revoked. */
  get concernsModels(): boolean {
    return this.#lists.some(({ concernsModels }) => concernsModels)
  }

  /** True if any key, certificate or identity is revoked. */
  get concernsSigners(): boolean {
    return this.#lists.some(({ concernsSigners }) => concernsSigners)
  }

  /** True if any package is revoked. */
  get concernsPackages(): boolean {
    return this.#lists.some(({ concernsPackages }) => concernsPackages)
  }

  /** True if this root digest is revoked whenever it was signed. */
  revokesAlways(digest: string): boolean {
    const name = exactName('root', digest)
    return this.#lists.some((list) => list.always(name))
  }

  /** @param when the signature was made; a window matches unless that time is proven to be outside it */
  rootDigest(digest: string, when: SignatureBounds | undefined): ModelSealError | undefined {
    const match = this.#lookUp(exactName('root', digest), when)
    return (
      match &&
      revokedError({ code: 'MODEL_REVOKED', what: `The model with the root digest sha256:${digest}` }, match, when)
    )
  }

  /** @param given package URL of the model */
  package(given: string, name: PackageName): ModelSealError | undefined {
    for (const list of this.#lists) {
      const match = list.package(name)
      if (match) return revokedError({ code: 'MODEL_REVOKED', what: `The model ${shown(given)}` }, match, undefined)
    }
    return undefined
  }

  /** @param digest of the signed statement: the signature over it can be changed without becoming invalid */
  attestation(digest: string, file: string | undefined): ModelSealError | undefined {
    const match = this.#lookUp(exactName('attestation', digest), undefined)
    return (
      match && revokedError({ code: 'ATTESTATION_REVOKED', what: `The attestation ${digest}`, file }, match, undefined)
    )
  }

  /** @param digest of the whole file */
  file(name: string, algorithm: string, digest: string, when: SignatureBounds | undefined): ModelSealError | undefined {
    const match = this.#lookUp(exactName(algorithm, digest), when)
    return match && revokedError({ code: 'FILE_REVOKED', what: `The file ${shown(name)}`, file: name }, match, when)
  }

  /**
   * Records all fingerprints of a key of the policy: a bundle and a revocation may name the same key by different
   * fingerprints.
   *
   * @param ofFile SHA-256 of its file, which differs if OpenSSL would write the file differently, such as with other line ends
   */
  know(key: KeyObject, ofFile: string): void {
    const own = keyFingerprints(key)
    // Another trust root may name the same key with another file.
    const known = own.flatMap((fingerprint) => this.#keys.get(fingerprint) ?? [])
    const all = [...new Set([...own, ...known, ofFile])]
    for (const fingerprint of all) this.#keys.set(fingerprint, all)
  }

  /** True for a fingerprint, in any form, of a key that the policy names in a trust root. */
  knowsKey(fingerprint: string): boolean {
    return this.#keys.has(fingerprint)
  }

  /** @param given one or several fingerprints of one key, lowercase hex */
  key(given: string | readonly string[], when: SignatureBounds | undefined): ModelSealError | undefined {
    for (const named of [given].flat()) {
      for (const fingerprint of this.#keys.get(named) ?? [named]) {
        const match = this.#lookUp(exactName('key', fingerprint), when)
        if (match) return revokedError({ code: 'KEY_REVOKED', what: `The key sha256:${named}` }, match, when)
      }
    }
    return undefined
  }

  /** Looks up a certificate without parsing it. */
  fingerprint(sha256: string, when: SignatureBounds | undefined): ModelSealError | undefined {
    const match = this.#lookUp(exactName('certificate', sha256), when)
    return match && revokedError({ code: 'CERTIFICATE_REVOKED', what: `The certificate ${sha256}` }, match, when)
  }

  certificate(
    { fingerprints, serialNumber, issuer }: Pick<CertificateFacts, 'fingerprints' | 'serialNumber' | 'issuer'>,
    when: SignatureBounds | undefined,
  ): ModelSealError | undefined {
    const bySerial = exactName('serial', serialName(serialNumber, issuer))
    for (const name of [...fingerprints.map((one) => exactName('certificate', one)), bySerial]) {
      const match = this.#lookUp(name, when)
      if (!match) continue
      const what = `The certificate ${fingerprints[0]} (serial ${serialNumber}, issued by ${shown(issuer)})`
      return revokedError({ code: 'CERTIFICATE_REVOKED', what }, match, when)
    }
    return undefined
  }

  /** Compares loosely, see `compileLoose()`: a name that may be revoked counts as revoked. */
  identity(
    { names, unreadable = [], issuers }: IdentityFacts,
    when: SignatureBounds | undefined,
  ): ModelSealError | undefined {
    const lists = this.#lists.filter(({ concernsIdentities }) => concernsIdentities)
    if (lists.length === 0) return undefined
    const issuerNames = issuers?.map(looseName)
    for (const name of names) {
      for (const list of lists) {
        const match = list.identity({ name, issuers: issuerNames }, when)
        if (match) return revokedError({ code: 'IDENTITY_REVOKED', what: `The identity ${shown(name)}` }, match, when)
      }
    }
    return unreadable[0] === undefined ? undefined : unreadableName(unreadable[0])
  }

  #lookUp(name: ExactName, when: SignatureBounds | undefined): Revocation | undefined {
    for (const list of this.#lists) {
      const found = list.lookUp(name, when)
      if (found) return found
    }
    return undefined
  }
}

/** What is revoked. */
interface Revoked {
  code: ErrorCode
  /** Begins the sentence that says so. */
  what: string
  file?: string | undefined
}

function revokedError(
  { code, what, file }: Revoked,
  { from, until, reason, by }: Revocation,
  { earliest, latest }: SignatureBounds = ANY_TIME,
): ModelSealError {
  const proven = from <= earliest && (latest < until || until === Infinity)
  const undated = proven ? '' : ' for a period, and nothing trusted proves that the signature was made outside it'
  return new ModelSealError(code, `${what} is revoked by ${by}${undated}.`, {
    file,
    found: reason === undefined ? undefined : `the reason ${shown(reason)}`,
    hint: HINTS[code] ?? 'Do not load the model. Ask its publisher to have it signed by a signer that is not revoked.',
  })
}

/** Where another signature would not help. */
const HINTS: Partial<Record<ErrorCode, string>> = {
  MODEL_REVOKED: 'Do not load the model. Ask its publisher for another version.',
  FILE_REVOKED: 'Do not load the model. Ask its publisher for a version without this file.',
  ATTESTATION_REVOKED: 'Ask for another attestation.',
}

function unreadableName(name: string): ModelSealError {
  return new ModelSealError(
    'IDENTITY_UNREADABLE',
    "Cannot tell whether the signer is revoked: the policy revokes identities, and a name in the signer's certificate cannot be read.",
    {
      expected: 'names that are text without control characters',
      found: shown(name),
      hint: 'Do not load the model. Ask its publisher to sign it with another certificate.',
    },
  )
}
