import type { KeyObject } from 'node:crypto'
import { keyFingerprints } from '../../x509/public-key.ts'
import { ModelSealError, shown, type ErrorCode } from '../../errors.ts'
import { plainHex, plainSerial } from './fingerprint.ts'
import { withoutPrototype } from '../../snapshot.ts'
import type { RevokedText } from './schema.ts'
import type { CertificateFacts } from './certificate-facts.ts'
import { ANY_TIME, type SignatureBounds } from '../signature-time.ts'
import { looseForm, looseName } from './loose-name.ts'
import { compileLoose, type LooseText } from './loose-text.ts'

/** Fingerprints of the keys and certificates that revocations name by file: lowercase hex, by the entry of the policy. */
export type FingerprintsOfFiles = ReadonlyMap<unknown, readonly string[]>

/** When and why something is revoked. */
interface Revocation {
  /** Milliseconds since 1970. */
  from: number
  until: number
  reason?: string | undefined
}

interface RevokedIdentity extends Revocation {
  identity: LooseText
  issuer?: LooseText | undefined
}

/** A signer to look up among the revoked identities. */
interface IdentityFacts {
  /** Subject, and alternative names with their types. */
  names: readonly string[]
  /** Names that cannot be read: each may be a revoked one. */
  unreadable?: readonly string[]
  /** Issuers of the certificate and of a keyless identity; undefined if unknown: then every issuer matches. */
  issuers?: readonly string[] | undefined
}

/**
 * All revocations of a policy and its included files, indexed so that a lookup takes the same time
 * however many there are.
 */
export class Revocations {
  readonly #exact = new Map<string, Revocation[]>()
  /** Maps each fingerprint of a key that the policy names to all fingerprints of that key. */
  readonly #keys = new Map<string, readonly string[]>()
  readonly #names = new Map<string, RevokedIdentity[]>()
  readonly #patterns: RevokedIdentity[] = []
  /** Algorithms of revoked file digests. */
  readonly fileAlgorithms = new Set<string>()
  #rootDigests = false
  #signers = false
  #identities = false

  /** @param files fingerprints of the entries that name a file */
  add(revoked: RevokedText, files: FingerprintsOfFiles = new Map()): void {
    for (const entry of revoked.rootDigests ?? []) {
      this.#rootDigests = true
      this.#addExact(`root:${withoutPrefix(digestOf(entry))}`, entry)
    }
    for (const entry of revoked.fileDigests ?? []) {
      const digest = digestOf(entry)
      const [algorithm, hex] = digest.includes(':') ? (digest.split(':') as [string, string]) : ['sha256', digest]
      this.fileAlgorithms.add(algorithm)
      this.#addExact(`${algorithm}:${hex}`, entry)
    }
    for (const entry of revoked.claims ?? []) this.#addExact(`attestation:${withoutPrefix(digestOf(entry))}`, entry)
    this.#signers ||= [revoked.keys, revoked.certificates, revoked.identities].some((entries) => entries?.length)
    for (const entry of revoked.keys ?? [])
      for (const fingerprint of fingerprintsOfEntry(entry, files)) this.#addExact(`key:${fingerprint}`, entry)
    for (const entry of revoked.certificates ?? []) {
      if (typeof entry !== 'string' && entry.serial !== undefined)
        this.#addExact(serialKey(entry.serial, entry.issuer ?? ''), entry)
      for (const fingerprint of fingerprintsOfEntry(entry, files)) this.#addExact(`certificate:${fingerprint}`, entry)
    }
    for (const entry of revoked.identities ?? []) {
      const identity = compileLoose(entry.identity)
      const item = {
        ...windowOf(entry),
        identity,
        issuer: entry.issuer === undefined ? undefined : compileLoose(entry.issuer),
      }
      this.#identities = true
      if (identity.keys.length === 0) this.#patterns.push(item)
      for (const key of identity.keys) addTo(this.#names, key, item)
    }
  }

  /** True if any root digest is revoked. */
  get concernsModels(): boolean {
    return this.#rootDigests
  }

  /** True if any key, certificate or identity is revoked. */
  get concernsSigners(): boolean {
    return this.#signers
  }

  /** True if this root digest is revoked whenever it was signed. */
  revokesAlways(digest: string): boolean {
    return (
      this.#exact.get(`root:${digest}`)?.some(({ from, until }) => from === -Infinity && until === Infinity) ?? false
    )
  }

  /** @param when the signature was made; a window matches unless that time is proven to be outside it */
  rootDigest(digest: string, when: SignatureBounds | undefined): ModelSealError | undefined {
    const match = this.#lookUp(`root:${digest}`, when)
    return (
      match && revokedError({ code: 'MODEL_REVOKED', what: `The model with the root digest ${digest}` }, match, when)
    )
  }

  /** @param digest of the signed statement: the signature over it can be changed without becoming invalid */
  attestation(digest: string, file: string | undefined): ModelSealError | undefined {
    const match = this.#lookUp(`attestation:${digest}`, undefined)
    return (
      match && revokedError({ code: 'ATTESTATION_REVOKED', what: `The attestation ${digest}`, file }, match, undefined)
    )
  }

  /** @param digest of the whole file */
  file(name: string, algorithm: string, digest: string, when: SignatureBounds | undefined): ModelSealError | undefined {
    const match = this.#lookUp(`${algorithm}:${digest}`, when)
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
        const match = this.#lookUp(`key:${fingerprint}`, when)
        if (match) return revokedError({ code: 'KEY_REVOKED', what: `The key ${shown(named)}` }, match, when)
      }
    }
    return undefined
  }

  /** Looks up a certificate without parsing it. */
  fingerprint(sha256: string, when: SignatureBounds | undefined): ModelSealError | undefined {
    const match = this.#lookUp(`certificate:${sha256}`, when)
    return match && revokedError({ code: 'CERTIFICATE_REVOKED', what: `The certificate ${sha256}` }, match, when)
  }

  certificate(
    { fingerprints, serialNumber, issuer }: Pick<CertificateFacts, 'fingerprints' | 'serialNumber' | 'issuer'>,
    when: SignatureBounds | undefined,
  ): ModelSealError | undefined {
    for (const key of [...fingerprints.map((one) => `certificate:${one}`), serialKey(serialNumber, issuer)]) {
      const match = this.#lookUp(key, when)
      if (!match) continue
      const what = `The certificate ${fingerprints[0]} (serial ${serialNumber}, issued by ${shown(issuer)})`
      return revokedError({ code: 'CERTIFICATE_REVOKED', what }, match, when)
    }
    return undefined
  }

  /** Compares loosely, see {@link compileLoose}: a name that may be revoked counts as revoked. */
  identity(
    { names, unreadable = [], issuers }: IdentityFacts,
    when: SignatureBounds | undefined,
  ): ModelSealError | undefined {
    if (!this.#identities) return undefined
    const issuerNames = issuers?.map(looseName)
    for (const written of names) {
      const name = looseName(written)
      const candidates = [
        ...(this.#names.get(name.key) ?? []),
        ...this.#patterns.filter(({ identity }) => identity.matches(name)),
      ].filter(({ issuer }) => issuer === undefined || issuerNames === undefined || issuerNames.some(issuer.matches))
      const match = candidates.find((entry) => isWithin(entry, when))
      if (match) return revokedError({ code: 'IDENTITY_REVOKED', what: `The identity ${shown(written)}` }, match, when)
    }
    return unreadable[0] === undefined ? undefined : unreadableName(unreadable[0])
  }

  #lookUp(key: string, when: SignatureBounds | undefined): Revocation | undefined {
    return this.#exact.get(key)?.find((entry) => isWithin(entry, when))
  }

  #addExact(key: string, entry: string | Window): void {
    addTo(this.#exact, key, windowOf(typeof entry === 'string' ? ALWAYS : entry))
  }
}

interface Window {
  from?: string | undefined
  until?: string | undefined
  reason?: string | undefined
}

const ALWAYS: Window = withoutPrototype({})

/** In the form in which they are compared; several if the entry names a file. */
function fingerprintsOfEntry(
  entry: string | { fingerprint?: string | undefined },
  files: FingerprintsOfFiles,
): readonly string[] {
  const fingerprint = typeof entry === 'string' ? entry : entry.fingerprint
  return fingerprint === undefined ? (files.get(entry) ?? []) : [plainHex(fingerprint)]
}

function windowOf({ from, until, reason }: Window): Revocation {
  return { from: from ? Date.parse(from) : -Infinity, until: until ? Date.parse(until) : Infinity, reason }
}

/** True unless the signature was provably made before or after. */
function isWithin({ from, until }: Revocation, when: SignatureBounds = ANY_TIME): boolean {
  return from <= when.latest && when.earliest < until
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
  { from, until, reason }: Revocation,
  { earliest, latest }: SignatureBounds = ANY_TIME,
): ModelSealError {
  const proven = from <= earliest && (latest < until || until === Infinity)
  const undated = proven ? '' : ' for a period, and nothing trusted proves that the signature was made outside it'
  return new ModelSealError(code, `${what} is revoked by the policy${undated}.`, {
    file,
    found: reason === undefined ? undefined : `the reason ${shown(reason)}`,
    hint: 'Do not load the model. Ask its publisher to sign it again.',
  })
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

function digestOf(entry: string | { digest: string }): string {
  return typeof entry === 'string' ? entry : entry.digest
}

function withoutPrefix(digest: string): string {
  return digest.replace(/^sha256:/, '')
}

function serialKey(serial: string, issuer: string): string {
  return `serial:${plainSerial(serial)} ${looseForm(issuer)}`
}

function addTo<T>(map: Map<string, T[]>, key: string, item: T): void {
  const items = map.get(key)
  if (items) items.push(item)
  else map.set(key, [item])
}
