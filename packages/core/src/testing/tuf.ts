import { createHash, generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import type { RequestListener } from 'node:http'
import { Key, Metadata, MetaFile, Root, Signature, Snapshot, TargetFile, Targets, Timestamp } from '@tufjs/models'

/** How the next publication differs from a sound one. */
export interface Publication {
  /** Expiry by role. Default: in one day. */
  expires?: Partial<Record<Role, Date>>
  /** Default: the previous version plus one. */
  version?: number
  /** Signs the metadata of these roles with keys that the root does not name. */
  forged?: Role[]
  /** Versions that metadata states instead of the one by which it is listed. */
  stated?: Partial<Record<'snapshot' | 'targets', number>>
  /** Lists no targets in the snapshot. */
  unlisted?: boolean
  /** Publishes a new root, signed by the one before it, with new keys for all other roles. */
  newRoot?: boolean
  /** Algorithm of the digests of targets. Default: sha256. */
  hash?: string
}

type Role = 'root' | 'timestamp' | 'snapshot' | 'targets'
const ROLES = ['root', 'timestamp', 'snapshot', 'targets'] as const

/** A TUF repository in this process (TUF 1.0.33, with consistent snapshots) with temporary keys. */
export class TestTuf {
  /** Files by their path below the URL. */
  readonly files = new Map<string, Buffer>()
  /** The first root metadata, with which clients start. */
  readonly anchor: Buffer
  #keys = newKeys()
  #rootVersion = 0
  #version = 0

  constructor(targets: Readonly<Record<string, string | Uint8Array>>, publication: Publication = {}) {
    this.anchor = this.#publishRoot(publication)
    this.publish(targets, publication)
  }

  publish(targets: Readonly<Record<string, string | Uint8Array>>, publication: Publication = {}): void {
    if (publication.newRoot) this.#publishRoot(publication)
    this.#version = publication.version ?? this.#version + 1
    const version = this.#version
    const { stated, unlisted }: Publication = publication
    const options = (role: Exclude<Role, 'root'>) => ({
      version: (role === 'timestamp' ? undefined : stated?.[role]) ?? version,
      specVersion: '1.0.0',
      expires: expiry(publication, role),
    })
    const listed = new Targets(options('targets'))
    for (const [name, content] of Object.entries(targets)) {
      const { hash: algorithm = 'sha256' } = publication
      const hash = createHash(algorithm).update(content).digest('hex')
      listed.addTarget(new TargetFile({ path: name, length: content.length, hashes: { [algorithm]: hash } }))
      this.files.set(`targets/${hash}.${name}`, Buffer.from(content))
    }
    const targetsBytes = this.#signed(listed, 'targets', publication)
    const snapshot = new Snapshot({
      ...options('snapshot'),
      meta: { [unlisted ? 'other.json' : 'targets.json']: metaFile(version, targetsBytes) },
    })
    const snapshotBytes = this.#signed(snapshot, 'snapshot', publication)
    const timestamp = new Timestamp({ ...options('timestamp'), snapshotMeta: metaFile(version, snapshotBytes) })
    this.files.set(`${version}.targets.json`, targetsBytes)
    this.files.set(`${version}.snapshot.json`, snapshotBytes)
    this.files.set('timestamp.json', this.#signed(timestamp, 'timestamp', publication))
  }

  /** Serves the files. */
  readonly answer: RequestListener = ({ url = '' }, response) => {
    const bytes = this.files.get(url.replace(/^\/+/, ''))
    response.writeHead(bytes ? 200 : 404).end(bytes)
  }

  #publishRoot(publication: Publication): Buffer {
    const former = this.#rootVersion === 0 ? [] : [this.#keys.root]
    if (this.#rootVersion > 0) this.#keys = newKeys()
    const root = new Root({
      version: ++this.#rootVersion,
      specVersion: '1.0.0',
      expires: expiry(publication, 'root'),
      consistentSnapshot: true,
    })
    for (const role of ROLES) root.addKey(this.#keys[role].key, role)
    const metadata = new Metadata(root)
    for (const { key, privateKey } of publication.forged?.includes('root') ? [newKey()] : [...former, this.#keys.root])
      metadata.sign((bytes) => new Signature({ keyID: key.keyID, sig: signatureOf(bytes, privateKey) }))
    const bytes = Buffer.from(JSON.stringify(metadata.toJSON()))
    this.files.set(`${this.#rootVersion}.root.json`, bytes)
    return bytes
  }

  #signed(signed: Targets | Snapshot | Timestamp, role: Role, { forged = [] }: Publication): Buffer {
    const metadata = new Metadata<Targets | Snapshot | Timestamp>(signed)
    const { key, privateKey } = this.#keys[role]
    const signingKey = forged.includes(role) ? newKey().privateKey : privateKey
    metadata.sign((bytes) => new Signature({ keyID: key.keyID, sig: signatureOf(bytes, signingKey) }))
    return Buffer.from(JSON.stringify(metadata.toJSON()))
  }
}

function expiry({ expires = {} }: Publication, role: Role): string {
  return (expires[role] ?? new Date(Date.now() + 86_400_000)).toISOString().replace(/\.[0-9]+/, '')
}

function newKeys(): Record<Role, ReturnType<typeof newKey>> {
  return { root: newKey(), timestamp: newKey(), snapshot: newKey(), targets: newKey() }
}

function newKey(): { key: Key; privateKey: KeyObject } {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const pem = String(publicKey.export({ format: 'pem', type: 'spki' }))
  const scheme = 'ecdsa-sha2-nistp256'
  return { key: new Key({ keyID: sha256(pem), keyType: 'ecdsa', scheme, keyVal: { public: pem } }), privateKey }
}

function signatureOf(bytes: Buffer, privateKey: KeyObject): string {
  return sign('sha256', bytes, privateKey).toString('hex')
}

function metaFile(version: number, bytes: Buffer): MetaFile {
  return new MetaFile({ version, length: bytes.length, hashes: { sha256: sha256(bytes) } })
}

function sha256(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex')
}
