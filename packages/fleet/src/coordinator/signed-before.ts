import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { canonicalJson, isCanonicalJson, literal, strictObject, string, type Schema } from '@modelseal/core/distributed'
import type { MadeSignature, SignedBy, SignedModel, Signer } from '@modelseal/core/signing'
import type { ResultStore } from '../results/result-store.ts'
import type { WorkerKey } from '../results/worker-secrets.ts'
import type { BundlePlace } from './bundle-place.ts'

const PURPOSE = 'modelseal fleet signed v1\n'
const SHA256 = /^[0-9a-f]{64}$/

interface SignedRecord {
  v: 1
  /** SHA-256 of the path or URL of the bundle. */
  place: string
  /** SHA-256 of the bundle that was written. */
  bundle: string
  /** SHA-256 of its statement. */
  statement: string
  method: string
  fingerprint: string
}

const RECORD: Schema<SignedRecord & { mac: string }> = strictObject({
  v: literal(1),
  place: string().regex(SHA256, 'a digest'),
  bundle: string().regex(SHA256, 'a digest'),
  statement: string().regex(SHA256, 'a digest'),
  method: string().max(64),
  fingerprint: string().max(256),
  mac: string().regex(SHA256, 'a code'),
})

/** Thrown by a signer to end the signing of a model that has this signature already. */
export class SignedAlready extends Error {}

/** What this user signed before, so that a run that is started again leaves finished models alone. */
export class SignedBefore {
  readonly #store: ResultStore
  readonly #key: WorkerKey

  constructor(store: ResultStore, key: WorkerKey) {
    this.#store = store
    this.#key = key
  }

  /** @returns undefined if this user signed no model there, or the bundle has changed since */
  async find(bundlePlace: Pick<BundlePlace, 'path' | 'read'>): Promise<SignedRecord | undefined> {
    const place = digestOf(bundlePlace.path)
    const [line] = await this.#store.lines('signed', place)
    const record = line === undefined ? undefined : this.#authentic(line)
    if (record?.place !== place) return undefined
    const bundle = await bundlePlace.read()
    return bundle && digestOf(bundle) === record.bundle ? record : undefined
  }

  async remember({ signature, bundleDigest, signer }: SignedModel, statement: string): Promise<void> {
    if (!signer) return
    const place = digestOf(signature)
    const { method, fingerprint } = signer
    const record: SignedRecord = { v: 1, place, bundle: bundleDigest, statement, method, fingerprint }
    await this.#store.write('signed', place, [canonicalJson({ ...record, mac: this.#codeOf(record) })])
  }

  #authentic(line: string): SignedRecord | undefined {
    let parsed: unknown
    try {
      parsed = JSON.parse(line)
    } catch {
      return undefined
    }
    const checked = RECORD.check(parsed)
    if ('issues' in checked || !isCanonicalJson(line, parsed)) return undefined
    const { mac, ...record } = checked.value
    const isAuthentic = timingSafeEqual(Buffer.from(mac, 'hex'), Buffer.from(this.#codeOf(record), 'hex'))
    return isAuthentic ? record : undefined
  }

  #codeOf(record: SignedRecord): string {
    return createHmac('sha256', this.#key.secret).update(PURPOSE).update(canonicalJson(record)).digest('hex')
  }
}

/** Makes a signer that signs a model only if its statement, or whoever signs, is not that of the bundle which is there. */
export function unlessSigned(
  signer: Signer,
  before: SignedRecord | undefined,
  onStatement: (digest: string) => void,
): Signer {
  const { hash } = signer
  return {
    method: signer.method,
    ...(hash === undefined ? {} : { hash }),
    sign: async (encoded, signal, payload = encoded) => {
      const statement = digestOf(payload)
      onStatement(statement)
      const isSame = before?.statement === statement && before.method === signer.method
      // Each keyless signature is an entry in a public log, and its identity is only known once there is one.
      if (isSame && signer.method === 'sigstore') throw new SignedAlready()
      const made = await signer.sign(encoded, signal, payload)
      if (isSame && isBy(made, before)) throw new SignedAlready()
      return made
    },
    prepare: async () => signer.prepare?.(),
    check: async (bundle) => (await signer.check?.(bundle)) ?? {},
  }
}

function isBy({ signer }: MadeSignature, { fingerprint }: Pick<SignedBy, 'fingerprint'>): boolean {
  return signer?.fingerprint === fingerprint
}

function digestOf(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex')
}
