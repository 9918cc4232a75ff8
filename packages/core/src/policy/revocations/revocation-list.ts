import { plainHex, plainSerial } from './fingerprint.ts'
import { withoutPrototype } from '../../snapshot.ts'
import { atOnce, eachOf, type Steps } from '../../source/turns.ts'
import type { RevokedText } from './schema.ts'
import { ANY_TIME, type SignatureBounds } from '../signature-time.ts'
import { looseForm, looseName } from './loose-name.ts'
import { compileLoose, type LooseText } from './loose-text.ts'
import { DigestTable, digestIn, type Digest } from './digest-table.ts'
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

/** Something to look up by its exact name, in a form that serves for many lists. */
export interface ExactName {
  /** What it is: `root`, `attestation`, `key`, `certificate`, `serial`, or for a file the algorithm of its digest. */
  kind: string
  name: string
  /** Undefined if the name is not one. */
  digest: Digest | undefined
}

export function exactName(kind: string, name: string): ExactName {
  return { kind, name, digest: digestIn(name) }
}

/**
 * What one author revokes, indexed so that a lookup takes the same time however much that is. Everything is looked up by
 * {@link Revocations}.
 */
export class RevocationList {
  readonly #by: string
  /** When and why something is revoked, each once. What is named exactly has numbers of these. The first is always, for no stated reason. */
  readonly #windows: Revocation[]
  /** By kind. */
  readonly #digests = new Map<string, DigestTable>()
  /** What is not named by a digest, by kind and name. */
  readonly #others = new Map<string, Set<number>>()
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
    this.#windows = [this.#windowOf(ALWAYS)]
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
    const { rootDigests = [], fileDigests = [], keys = [], certificates = [], identities = [] } = revoked
    this.#rootDigests ||= rootDigests.length > 0
    this.#signers ||= [keys, certificates, identities].some((entries) => entries.length > 0)
    const numbers = new Map<string, number>()
    yield* this.#addNames('root', { entries: rootDigests, numbers }, (entry) => [withoutAlgorithm(digestOf(entry))])
    for (const [algorithm, entries] of yield* byAlgorithm(fileDigests)) {
      this.fileAlgorithms.add(algorithm)
      yield* this.#addNames(algorithm, { entries, numbers }, (entry) => [withoutAlgorithm(digestOf(entry))])
    }
    const claims = revoked.claims ?? []
    yield* this.#addNames('attestation', { entries: claims, numbers }, (entry) => [withoutAlgorithm(digestOf(entry))])
    yield* this.#addNames('key', { entries: keys, numbers }, (entry) => fingerprintsOfEntry(entry, files))
    yield* this.#addNames('certificate', { entries: certificates, numbers }, (entry) =>
      fingerprintsOfEntry(entry, files),
    )
    yield* this.#addNames('serial', { entries: certificates.filter(hasSerial), numbers }, ({ serial, issuer }) => [
      serialName(serial, issuer ?? ''),
    ])
    yield* eachOf(identities, (entry) => this.#addIdentity(entry))
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
  always(name: ExactName): boolean {
    return this.#windowsOf(name).some(({ from, until }) => from === -Infinity && until === Infinity)
  }

  /** @param when the signature was made; a window matches unless that time is proven to be outside it */
  lookUp(name: ExactName, when: SignatureBounds | undefined): Revocation | undefined {
    return this.#windowsOf(name).find((window) => isWithin(window, when))
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

  #windowsOf({ kind, name, digest }: ExactName): readonly Revocation[] {
    const numbers = digest && this.#digests.get(kind)?.get(digest)
    const others = this.#others.size === 0 ? undefined : this.#others.get(`${kind} ${name}`)
    if (!others && (!numbers || numbers.length === 0)) return NONE
    return [...(numbers ?? []), ...(others ?? [])].flatMap((number) => this.#windows[number] ?? [])
  }

  *#addNames<Entry extends string | Window>(
    kind: string,
    { entries, numbers }: { entries: readonly Entry[]; numbers: Map<string, number> },
    namesOf: (entry: Entry) => readonly string[],
  ): Steps<void> {
    if (entries.length === 0) return
    const table = this.#digests.get(kind) ?? new DigestTable()
    this.#digests.set(kind, table)
    table.reserve(entries.length)
    yield* eachOf(entries, (entry) => {
      const number = typeof entry === 'string' ? 0 : this.#numberOf(entry, numbers)
      for (const name of namesOf(entry)) {
        if (table.add(name, number)) continue
        const key = `${kind} ${name}`
        this.#others.set(key, (this.#others.get(key) ?? new Set()).add(number))
      }
    })
  }

  /** @param numbers those of this call, so that what finds them does not stay in memory */
  #numberOf({ from, until, reason }: Window, numbers: Map<string, number>): number {
    if (from === undefined && until === undefined && reason === undefined) return 0
    const key = [from, until, reason].join(' ')
    const known = numbers.get(key)
    if (known !== undefined) return known
    const number = this.#windows.push(this.#windowOf({ from, until, reason })) - 1
    numbers.set(key, number)
    return number
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

const NONE: readonly Revocation[] = []

/** Name of a certificate by its serial number. */
export function serialName(serial: string, issuer: string): string {
  return `${plainSerial(serial)} ${looseForm(issuer)}`
}

function hasSerial<Entry extends string | { serial?: string | undefined }>(
  entry: Entry,
): entry is Exclude<Entry, string> & { serial: string } {
  return typeof entry !== 'string' && entry.serial !== undefined
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

/** Of a file digest, and SHA-256 if it does not say. */
function algorithmOf(digest: string): string {
  const end = digest.indexOf(':')
  return end < 0 ? 'sha256' : digest.slice(0, end)
}

function withoutAlgorithm(digest: string): string {
  return digest.slice(digest.indexOf(':') + 1)
}

type FileEntry = NonNullable<RevokedText['fileDigests']>[number]

function* byAlgorithm(entries: readonly FileEntry[]): Steps<ReadonlyMap<string, readonly FileEntry[]>> {
  const found = new Map<string, FileEntry[]>()
  yield* eachOf(entries, (entry) => addTo(found, algorithmOf(digestOf(entry)), entry))
  return found
}

function addTo<T>(map: Map<string, T[]>, key: string, item: T): void {
  const items = map.get(key)
  if (items) items.push(item)
  else map.set(key, [item])
}
