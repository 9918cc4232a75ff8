import { ModelSealError, shown, type ErrorCode } from '../errors.ts'
import type { RevokedText } from './revoked-schema.ts'
import type { CertificateFacts } from './certificate-facts.ts'
import { compileText, type TextMatcher } from './text-pattern.ts'

/** When and why something is revoked. */
export interface Revocation {
  /** Milliseconds since 1970. */
  from: number
  until: number
  reason?: string | undefined
}

interface RevokedIdentity extends Revocation {
  identity: TextMatcher
  issuer?: TextMatcher | undefined
}

/** Who is looked up among the revoked identities. */
export interface IdentityFacts {
  /** Subject, and alternative names with their types. */
  names: readonly string[]
  /** Undefined where it is not known: then it counts as equal. */
  issuer?: string | undefined
}

/**
 * All revocations of a policy and its included files, by what they revoke, so that one look-up
 * costs the same however many there are.
 */
export class Revocations {
  readonly #exact = new Map<string, Revocation[]>()
  readonly #names = new Map<string, RevokedIdentity[]>()
  readonly #patterns: RevokedIdentity[] = []
  /** Algorithms of revoked file digests. */
  readonly fileAlgorithms = new Set<string>()
  #rootDigests = false
  #signers = false

  add(revoked: RevokedText): void {
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
    this.#signers ||= [revoked.keys, revoked.certificates, revoked.identities].some((entries) => entries?.length)
    for (const entry of revoked.keys ?? [])
      this.#addExact(`key:${typeof entry === 'string' ? entry : entry.fingerprint}`, entry)
    for (const entry of revoked.certificates ?? []) {
      const { fingerprint, serial = '', issuer = '' } = typeof entry === 'string' ? { fingerprint: entry } : entry
      this.#addExact(fingerprint === undefined ? serialKey(serial, issuer) : `certificate:${fingerprint}`, entry)
    }
    for (const entry of revoked.identities ?? []) {
      const identity = compileText(entry.identity)
      const item = {
        ...windowOf(entry),
        identity,
        issuer: entry.issuer === undefined ? undefined : compileText(entry.issuer),
      }
      if (identity.exact === undefined) this.#patterns.push(item)
      else addTo(this.#names, identity.exact, item)
    }
  }

  /** True where some root digest is revoked. */
  get concernsModels(): boolean {
    return this.#rootDigests
  }

  /** True where some key, certificate or identity is revoked. */
  get concernsSigners(): boolean {
    return this.#signers
  }

  /** @param time trusted time of the signature; without one, a window counts as matching */
  rootDigest(digest: string, time: number | undefined): ModelSealError | undefined {
    return this.#lookUp(`root:${digest}`, time, 'MODEL_REVOKED', `The model with the root digest ${digest}`)
  }

  /** @param digest of the whole file */
  file(name: string, algorithm: string, digest: string, time: number | undefined): ModelSealError | undefined {
    return this.#lookUp(`${algorithm}:${digest}`, time, 'FILE_REVOKED', `The file ${shown(name)}`, name)
  }

  key(fingerprint: string, time: number | undefined): ModelSealError | undefined {
    return this.#lookUp(`key:${fingerprint}`, time, 'KEY_REVOKED', `The key ${shown(fingerprint)}`)
  }

  certificate(
    facts: Pick<CertificateFacts, 'fingerprint' | 'serialNumber' | 'issuer'>,
    time: number | undefined,
  ): ModelSealError | undefined {
    const who = `The certificate ${facts.fingerprint} (serial ${facts.serialNumber}, issued by ${shown(facts.issuer)})`
    return (
      this.#lookUp(`certificate:${facts.fingerprint}`, time, 'CERTIFICATE_REVOKED', who) ??
      this.#lookUp(serialKey(facts.serialNumber, facts.issuer), time, 'CERTIFICATE_REVOKED', who)
    )
  }

  identity({ names, issuer }: IdentityFacts, time: number | undefined): ModelSealError | undefined {
    for (const name of names.flatMap((name) => [name, name.replace(/^(email|URI|DNS|IP):/, '')])) {
      const candidates = [
        ...(this.#names.get(name) ?? []),
        ...this.#patterns.filter(({ identity }) => identity.matches(name)),
      ].filter((entry) => entry.issuer === undefined || issuer === undefined || entry.issuer.matches(issuer))
      const match = candidates.find((entry) => isWithin(entry, time))
      if (match) return revokedError('IDENTITY_REVOKED', `The identity ${shown(name)}`, match, time)
    }
    return undefined
  }

  #lookUp(
    key: string,
    time: number | undefined,
    code: ErrorCode,
    what: string,
    file?: string,
  ): ModelSealError | undefined {
    const match = this.#exact.get(key)?.find((entry) => isWithin(entry, time))
    return match && revokedError(code, what, match, time, file)
  }

  #addExact(key: string, entry: string | Window): void {
    addTo(this.#exact, key, windowOf(typeof entry === 'string' ? {} : entry))
  }
}

/** Codes that refuse a model in every mode. */
export const REVOKED_CODES: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'MODEL_REVOKED',
  'FILE_REVOKED',
  'KEY_REVOKED',
  'CERTIFICATE_REVOKED',
  'IDENTITY_REVOKED',
])

interface Window {
  from?: string | undefined
  until?: string | undefined
  reason?: string | undefined
}

function windowOf({ from, until, reason }: Window): Revocation {
  return { from: from ? Date.parse(from) : -Infinity, until: until ? Date.parse(until) : Infinity, reason }
}

/** A signature that nothing trusted dates may have been made at any time. */
function isWithin({ from, until }: Revocation, time: number | undefined): boolean {
  return time === undefined || (from <= time && time < until)
}

function revokedError(
  code: ErrorCode,
  what: string,
  { from, until, reason }: Revocation,
  time: number | undefined,
  file?: string,
): ModelSealError {
  const windowed = from !== -Infinity || until !== Infinity
  const undated =
    windowed && time === undefined ? ' for a time, and nothing trusted says when the signature was made' : ''
  return new ModelSealError(code, `${what} is revoked by the policy${undated}.`, {
    file,
    found: reason === undefined ? undefined : `the reason ${shown(reason)}`,
    hint: 'Do not load the model; ask its publisher for one that is signed anew.',
  })
}

function digestOf(entry: string | { digest: string }): string {
  return typeof entry === 'string' ? entry : entry.digest
}

function withoutPrefix(digest: string): string {
  return digest.replace(/^sha256:/, '')
}

/** A serial number is a number: leading zeros are no part of it. */
function serialKey(serial: string, issuer: string): string {
  return `serial:${serial.replace(/^0+(?=.)/, '')} ${issuer}`
}

function addTo<T>(map: Map<string, T[]>, key: string, item: T): void {
  const items = map.get(key)
  if (items) items.push(item)
  else map.set(key, [item])
}
