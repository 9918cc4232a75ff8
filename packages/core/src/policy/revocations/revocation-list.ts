import { plainHex, plainSerial } from './fingerprint.ts'
import { withoutPrototype } from '../../snapshot.ts'
import { atOnce, eachOf, type Steps } from '../../source/turns.ts'
import type { RevokedText } from './schema.ts'
import { ANY_TIME, type SignatureBounds } from '../signature-time.ts'
import { looseForm, looseName } from './loose-name.ts'
import { compileLoose, type LooseText } from './loose-text.ts'
import { concernsPackage, packageName, type PackageName } from './package-url.ts'

/** Fingerprints of the keys and certificates that revocations name by file: lowercase hex, by the entry of the policy. */
export type FingerprintsOfFiles = ReadonlyMap<unknown, readonly string[]>

/** When and why something is revoked, and by whom. */
export interface Revocation {
  /** Milliseconds since 1970. */
  from: number
  until: number
  reason?: string | undefined
  /** Who revokes it, for messages: `the policy`. */
  by: string
}

interface RevokedIdentity extends Revocation {
  identity: LooseText
  issuer?: LooseText | undefined
}

interface RevokedPackage extends Revocation {
  package: PackageName
}

/** The name of a signer, and its issuers in the form in which they are compared. */
interface NamedByIssuers {
  name: string
  issuers: readonly ReturnType<typeof looseName>[] | undefined
}

/**
 * What one author revokes, indexed so that a lookup takes the same time however much that is. Everything is looked up by
 * {@link Revocations}.
 */
export class RevocationList {
  readonly #by: string
  readonly #exact = new Map<string, Revocation[]>()
  readonly #names = new Map<string, RevokedIdentity[]>()
  readonly #patterns: RevokedIdentity[] = []
  readonly #packages = new Map<string, RevokedPackage[]>()
  /** Algorithms of revoked file digests. */
  readonly fileAlgorithms = new Set<string>()
  #rootDigests = false
  #signers = false
  #identities = false

  /** @param by its author, for messages: `the policy` */
  constructor(by: string) {
    this.#by = by
  }

  /**
   * @param revoked as its schema returned it, which has loaded the libraries that it needs
   * @param files fingerprints of the entries that name a file
   */
  add(revoked: RevokedText, files?: FingerprintsOfFiles): void {
    atOnce(this.addSteps(revoked, files))
  }

  /** Like {@link add}, in steps, for long lists. */
  *addSteps(revoked: RevokedText, files: FingerprintsOfFiles = new Map()): Steps<void> {
    yield* eachOf(revoked.rootDigests ?? [], (entry) => {
      this.#rootDigests = true
      this.#addExact(`root:${withoutPrefix(digestOf(entry))}`, entry)
    })
    yield* eachOf(revoked.fileDigests ?? [], (entry) => {
      const digest = digestOf(entry)
      const [algorithm, hex] = digest.includes(':') ? (digest.split(':') as [string, string]) : ['sha256', digest]
      this.fileAlgorithms.add(algorithm)
      this.#addExact(`${algorithm}:${hex}`, entry)
    })
    yield* eachOf(revoked.claims ?? [], (entry) => {
      this.#addExact(`attestation:${withoutPrefix(digestOf(entry))}`, entry)
    })
    this.#signers ||= [revoked.keys, revoked.certificates, revoked.identities].some((entries) => entries?.length)
    yield* eachOf(revoked.keys ?? [], (entry) => {
      for (const fingerprint of fingerprintsOfEntry(entry, files)) this.#addExact(`key:${fingerprint}`, entry)
    })
    yield* eachOf(revoked.certificates ?? [], (entry) => {
      if (typeof entry !== 'string' && entry.serial !== undefined)
        this.#addExact(serialKey(entry.serial, entry.issuer ?? ''), entry)
      for (const fingerprint of fingerprintsOfEntry(entry, files)) this.#addExact(`certificate:${fingerprint}`, entry)
    })
    yield* eachOf(revoked.identities ?? [], (entry) => this.#addIdentity(entry))
    yield* eachOf(revoked.packages ?? [], (entry) => {
      const isText = typeof entry === 'string'
      const name = packageName(isText ? entry : entry.purl)
      addTo(this.#packages, name.name, { ...this.#windowOf(isText ? ALWAYS : entry), package: name })
    })
  }

  /** True if any root digest is revoked. */
  get concernsModels(): boolean {
    return this.#rootDigests
  }

  /** True if any key, certificate or identity is revoked. */
  get concernsSigners(): boolean {
    return this.#signers
  }

  /** True if any identity is revoked. */
  get concernsIdentities(): boolean {
    return this.#identities
  }

  /** True if any package is revoked. */
  get concernsPackages(): boolean {
    return this.#packages.size > 0
  }

  /** True if it is revoked whenever the signature was made. */
  always(key: string): boolean {
    return this.#exact.get(key)?.some(({ from, until }) => from === -Infinity && until === Infinity) ?? false
  }

  /** @param when the signature was made; a window matches unless that time is proven to be outside it */
  lookUp(key: string, when: SignatureBounds | undefined): Revocation | undefined {
    return this.#exact.get(key)?.find((entry) => isWithin(entry, when))
  }

  /** Compares loosely, see {@link compileLoose}. Without issuers, every issuer matches. */
  identity({ name: written, issuers }: NamedByIssuers, when: SignatureBounds | undefined): Revocation | undefined {
    const name = looseName(written)
    const candidates = [
      ...(this.#names.get(name.key) ?? []),
      ...this.#patterns.filter(({ identity }) => identity.matches(name)),
    ].filter(({ issuer }) => issuer === undefined || issuers === undefined || issuers.some(issuer.matches))
    return candidates.find((entry) => isWithin(entry, when))
  }

  package(name: PackageName): Revocation | undefined {
    return this.#packages.get(name.name)?.find((revoked) => concernsPackage(revoked.package, name))
  }

  #addIdentity(entry: NonNullable<RevokedText['identities']>[number]): void {
    const identity = compileLoose(entry.identity)
    const issuer = entry.issuer === undefined ? undefined : compileLoose(entry.issuer)
    const item = { ...this.#windowOf(entry), identity, issuer }
    this.#identities = true
    if (identity.keys.length === 0) this.#patterns.push(item)
    for (const key of identity.keys) addTo(this.#names, key, item)
  }

  #addExact(key: string, entry: string | Window): void {
    addTo(this.#exact, key, this.#windowOf(typeof entry === 'string' ? ALWAYS : entry))
  }

  #windowOf({ from, until, reason }: Window): Revocation {
    return {
      from: from ? Date.parse(from) : -Infinity,
      until: until ? Date.parse(until) : Infinity,
      reason,
      by: this.#by,
    }
  }
}

interface Window {
  from?: string | undefined
  until?: string | undefined
  reason?: string | undefined
}

const ALWAYS: Window = withoutPrototype({})

/** Key of a certificate by its serial number. */
export function serialKey(serial: string, issuer: string): string {
  return `serial:${plainSerial(serial)} ${looseForm(issuer)}`
}

/** In the form in which they are compared; several if the entry names a file. */
function fingerprintsOfEntry(
  entry: string | { fingerprint?: string | undefined },
  files: FingerprintsOfFiles,
): readonly string[] {
  const fingerprint = typeof entry === 'string' ? entry : entry.fingerprint
  return fingerprint === undefined ? (files.get(entry) ?? []) : [plainHex(fingerprint)]
}

/** True unless the signature was provably made before or after. */
function isWithin({ from, until }: Revocation, when: SignatureBounds = ANY_TIME): boolean {
  return from <= when.latest && when.earliest < until
}

function digestOf(entry: string | { digest: string }): string {
  return typeof entry === 'string' ? entry : entry.digest
}

function withoutPrefix(digest: string): string {
  return digest.replace(/^sha256:/, '')
}

function addTo<T>(map: Map<string, T[]>, key: string, item: T): void {
  const items = map.get(key)
  if (items) items.push(item)
  else map.set(key, [item])
}
