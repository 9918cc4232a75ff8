import { createHash, generateKeyPairSync, type KeyObject } from 'node:crypto'
import type { RequestListener } from 'node:http'
import { checkpointText } from '../merkle/checkpoint.ts'
import { signNote, writeNote } from '../merkle/signed-note.ts'
import { GrowingTree, hashLeaf } from '../merkle/tree.ts'

/** What a log answers. */
export interface LogAnswer {
  status?: number
  headers?: Record<string, string>
  body?: Uint8Array | string
}

/** Changes or replaces the answer to one path; the answer is undefined for a path that does not exist. */
type Changed = (path: string, answer: LogAnswer | undefined) => LogAnswer | Promise<LogAnswer | undefined> | undefined

/** A log of Rekor v2 (C2SP tlog-tiles) in this process. It lies if a test tells it to. */
export class TestLog {
  entries: Buffer[] = []
  /** The requested paths, in order. */
  readonly asked: string[] = []
  /** Number of entries in its checkpoint. Default: all. */
  size: number | undefined
  changed: Changed = (_, answer) => answer
  origin = '127.0.0.1'
  readonly keys: { privateKey: KeyObject; publicKey: KeyObject }

  constructor(type: 'ed25519' | 'ec' = 'ed25519') {
    this.keys = type === 'ec' ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : generateKeyPairSync('ed25519')
  }

  /** The log as a trusted root names it. */
  trusted(baseUrl: string, validFor: object = { start: '2020-01-01T00:00:00Z' }): object {
    const spki = this.keys.publicKey.export({ type: 'spki', format: 'der' })
    const isEdwards = this.keys.publicKey.asymmetricKeyType === 'ed25519'
    return {
      baseUrl,
      hashAlgorithm: 'SHA2_256',
      publicKey: {
        rawBytes: spki.toString('base64'),
        keyDetails: isEdwards ? 'PKIX_ED25519' : 'PKIX_ECDSA_P256_SHA_256',
        validFor,
      },
      logId: { keyId: createHash('sha256').update(spki).digest().toString('base64') },
    }
  }

  /** The signed checkpoint of the first entries. */
  checkpoint(size = this.size ?? this.entries.length): string {
    const { privateKey, publicKey } = this.keys
    const text = checkpointText({ origin: this.origin, size, root: rootOf(this.entries.slice(0, size).map(hashLeaf)) })
    return writeNote({ text, signatures: [signNote(text, this.origin, privateKey, publicKey)] })
  }

  readonly answer: RequestListener = (request, response) => {
    const path = (request.url ?? '').replace('/api/v2/', '')
    this.asked.push(path)
    const body = this.#bodyOf(path)
    void Promise.resolve(this.changed(path, body === undefined ? undefined : { body })).then((answer) => {
      const { status = 200, headers = {}, body: content = '' } = answer ?? { status: 404 }
      response.writeHead(status, headers).end(content)
    })
  }

  #bodyOf(path: string): Uint8Array | string | undefined {
    if (path === 'checkpoint') return this.checkpoint()
    const [, kind = '', name = '', partial] = /^tile\/(\d+|entries)\/([\dx/]+?)(?:\.p\/(\d+))?$/.exec(path) ?? []
    const index = Number(name.replace(/[x/]/g, ''))
    const level = kind === 'entries' ? 0 : Number(kind)
    const complete = Math.floor(this.entries.length / 256 ** level)
    const width = partial === undefined ? 256 : Number(partial)
    if (kind === '' || index * 256 + width > complete || width === 0) return undefined
    const range = Array.from({ length: width }, (_, place) => index * 256 + place)
    if (kind === 'entries') return bundleOf(range.map((at) => this.entries[at] ?? Buffer.alloc(0)))
    const span = 256 ** level
    return Buffer.concat(range.map((at) => rootOf(this.entries.slice(at * span, (at + 1) * span).map(hashLeaf))))
  }
}

/** Entries, each after its length. */
export function bundleOf(entries: readonly Buffer[]): Buffer {
  return Buffer.concat(entries.flatMap((entry) => [Buffer.from([entry.length >> 8, entry.length & 255]), entry]))
}

function rootOf(hashes: readonly Buffer[]): Buffer {
  const tree = new GrowingTree()
  for (const hash of hashes) tree.add(hash)
  return tree.root()
}

/** An entry of the kind `hashedrekord` for a certificate. */
export function loggedBody(certificate: Buffer, digest = Buffer.alloc(32, 1)): Buffer {
  const spec = { hashedRekordV002: { data: dataOf(digest), signature: signatureOf(certificate) } }
  return Buffer.from(JSON.stringify({ apiVersion: '0.0.2', kind: 'hashedrekord', spec }))
}

/** An entry of the kind `dsse` for some certificates. */
export function loggedEnvelope(certificates: readonly Buffer[], digest = Buffer.alloc(32, 2)): Buffer {
  const spec = { dsseV002: { payloadHash: dataOf(digest), signatures: certificates.map(signatureOf) } }
  return Buffer.from(JSON.stringify({ apiVersion: '0.0.2', kind: 'dsse', spec }))
}

/** An entry for a bare key. */
export function loggedKey(): Buffer {
  const signature = { content: 'AAAA', verifier: { publicKey: { rawBytes: 'AAAA' }, keyDetails: 'PKIX_ED25519' } }
  const spec = { hashedRekordV002: { data: dataOf(Buffer.alloc(32)), signature } }
  return Buffer.from(JSON.stringify({ apiVersion: '0.0.2', kind: 'hashedrekord', spec }))
}

function dataOf(digest: Buffer): object {
  return { algorithm: 'SHA2_256', digest: digest.toString('base64') }
}

function signatureOf(certificate: Buffer): object {
  return {
    content: 'AAAA',
    verifier: { x509Certificate: { rawBytes: certificate.toString('base64') }, keyDetails: 'PKIX_ECDSA_P256_SHA_256' },
  }
}
