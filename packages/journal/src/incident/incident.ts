/** What to look for. Exactly one of the first four is given. */
export interface IncidentQuery {
  /** SHA-256 fingerprint of a key or certificate, also of a root certificate; or an identity, subject, name of a certificate, or name of a trust root. */
  signer?: string | undefined
  /** Root digest of a model. */
  model?: string | undefined
  /** Digest of a file of a model, as it is signed: SHA-256, unless the model was signed with another algorithm. */
  file?: string | undefined
  /** SHA-256 of a policy file, also of one that another includes. */
  policy?: string | undefined
  /** Only loads from this time on. */
  since?: Date | undefined
  /** Only loads before this time. */
  until?: Date | undefined
}

/**
 * `unknown` if no end of the load was recorded, and its process has written nothing for some minutes: it may have been killed. Of an
 * answer as a whole, also instead of `no` if a journal does not hold: the record of a load may be missing.
 */
export type LoadedNow = 'yes' | 'no' | 'unknown'

/** Loads that have something in common. */
export interface LoadCount {
  /** Loads that handed out a model. */
  loads: number
  refusals: number
  /** Of all of these, refusals included: ISO 8601. */
  first: string
  last: string
}

export interface AffectedService extends LoadCount {
  service: string
  host: string
  loadedNow: LoadedNow
  /** Loads without a recorded end. */
  live: number
  /** Number of different models. */
  models: number
}

export interface AffectedModel extends LoadCount {
  /** Absent for a model that was refused before its root digest was known. */
  rootDigest?: string
  /** Names and paths under which it was loaded, at most 20. */
  names: readonly string[]
  loadedNow: LoadedNow
  /** Number of services, each on each of its hosts. */
  services: number
  /** At most 20 of these: those that may still have an affected model loaded, then those with most loads. */
  loadedBy: readonly { service: string; host: string }[]
}

export interface AffectedSigner extends LoadCount {
  method: string
  fingerprint: string
  name: string
  identity?: string
  issuer?: string
  subject?: string
  /** False if no load was accepted because of its signature. */
  counted: boolean
}

export interface Refusals {
  code: string
  /** `revoked`: a model that was in use. */
  kind: 'refused' | 'tolerated' | 'skipped' | 'revoked'
  count: number
  first: string
  last: string
}

/** A model that was made from an affected one. */
export interface DerivedModel {
  rootDigest: string
  names: readonly string[]
  /** Root digests of the affected models that it names as inputs. */
  from: readonly string[]
  /** `recorded`: by provenance that a policy counted in a load. `claimed`: by a given file of attestations, which nobody verified. */
  proof: 'recorded' | 'claimed'
  loads: number
  services: number
  loadedNow: LoadedNow
  first?: string
  last?: string
}

export interface Timeline {
  /** Beginning of the first bar: ISO 8601. */
  from: string
  /** Length of each bar in milliseconds. */
  step: number
  loads: readonly number[]
  refusals: readonly number[]
}

/** A journal that was asked. */
export interface AskedJournal {
  directory: string
  id: string
  host: string
  /** False if it does not hold; then records may be missing. */
  holds: boolean
  /** True if its checkpoints were verified with a key that the caller named. */
  pinned: boolean
  records: number
  uncovered: number
  /** Records that could not be written. */
  lost: number
  retired: number
  /** Time of its newest record. */
  newest?: string
  problems: readonly string[]
}

/** A list that ends at a limit. */
export interface Limited<Item> {
  items: readonly Item[]
  more: number
}

/** The answer to an {@link IncidentQuery}. */
export interface Incident {
  query: { kind: 'signer' | 'model' | 'file' | 'policy'; value: string; since?: string; until?: string }
  at: string
  /** False if a journal does not hold. */
  complete: boolean
  loadedNow: LoadedNow
  total: {
    loads: number
    refusals: number
    live: number
    services: number
    hosts: number
    models: number
    first?: string
    last?: string
  }
  services: Limited<AffectedService>
  models: Limited<AffectedModel>
  signers: Limited<AffectedSigner>
  refusals: Limited<Refusals>
  derived: Limited<DerivedModel>
  timeline?: Timeline
  journals: readonly AskedJournal[]
  /** What the journals cannot answer, as sentences. */
  unknown: readonly string[]
}
