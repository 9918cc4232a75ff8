import { createHash, verify, X509Certificate } from 'node:crypto'
import type { RequestListener } from 'node:http'
import { fulcioHandler } from '@sigstore/mock'
import { answerBlindly, timestampAuthority } from './timestamp.ts'
import { preAuthEncoding } from '../bundle/dsse.ts'
import { bodyOf } from './serving.ts'
import { IDENTITY, ISSUER, TestSigstore } from './sigstore.ts'

/** How the services of an instance differ from sound ones. */
export interface ServerOptions {
  rekor?: 'v1' | 'v2'
  /** False for an instance without one. */
  timestampAuthority?: boolean
  /** Changes or replaces the answer of a service. */
  answered?: (path: string, answer: Answer) => Answer
}

export interface Answer {
  status: number
  body: string | Uint8Array
}

/**
 * The services of a {@link TestSigstore} over HTTP. Fulcio is the one of `@sigstore/mock`, which accepts any token. The
 * logs, of one entry each, are our own: they verify signatures like the real ones, while those of the mock create
 * entries that do not verify. The timestamp authority is our own as well, because the mock accepts only JSON.
 */
export class SigstoreServer {
  readonly #instance = new TestSigstore()
  readonly #options: ServerOptions
  readonly #stamps = timestampAuthority()
  /** The requested paths, in order. */
  readonly asked: string[] = []

  constructor(options: ServerOptions = {}) {
    this.#options = options
  }

  readonly answer: RequestListener = (request, response) => {
    const path = request.url ?? ''
    this.asked.push(path)
    void bodyOf(request)
      .then((body) => this.#answerTo(path, body))
      .catch((error: unknown): Answer => ({ status: 400, body: String(error) }))
      .then((answer) => {
        const { status, body } = this.#options.answered?.(path, answer) ?? answer
        response.writeHead(status).end(body)
      })
  }

  async trustedRoot(): Promise<object> {
    const [root, { root: top, signer }] = [(await this.#instance.root()) as object, await this.#stamps]
    const certificates = [signer, top].map(({ der }) => ({ rawBytes: der.toString('base64') }))
    const subject = { organization: 'test', commonName: 'tsa' }
    const validFor = { start: '2020-01-01T00:00:00Z' }
    return { ...root, timestampAuthorities: [{ subject, uri: '', certChain: { certificates }, validFor }] }
  }

  /** @param url base URL of the services */
  signingConfig(url: string, { issuer }: { issuer?: string } = {}): object {
    const { rekor = 'v1', timestampAuthority: stamps = true } = this.#options
    const service = (path: string, majorApiVersion: number) => [
      { url: path, majorApiVersion, validFor: { start: '2020-01-01T00:00:00Z' }, operator: 'test' },
    ]
    return {
      mediaType: 'application/vnd.dev.sigstore.signingconfig.v0.2+json',
      caUrls: service(url, 1),
      oidcUrls: issuer === undefined ? [] : service(issuer, 1),
      rekorTlogUrls: service(url, rekor === 'v2' ? 2 : 1),
      tsaUrls: stamps ? service(`${url}/timestamp`, 1) : [],
      rekorTlogConfig: { selector: 'ANY' },
      tsaConfig: { selector: 'ANY' },
    }
  }

  /** A ClientTrustConfig, as JSON. */
  async trustConfig(url: string, options: { issuer?: string } = {}): Promise<string> {
    const mediaType = 'application/vnd.dev.sigstore.clienttrustconfig.v0.1+json'
    const signingConfig = this.signingConfig(url, options)
    return JSON.stringify({ mediaType, trustedRoot: await this.trustedRoot(), signingConfig })
  }

  async #answerTo(path: string, body: Buffer): Promise<Answer> {
    if (path === '/api/v2/signingCert') {
      const { statusCode, response } = await fulcioHandler(await this.#instance.authority()).fn(body.toString())
      return { status: statusCode, body: response as string }
    }
    if (path === '/api/v1/log/entries') return this.#logV1(JSON.parse(body.toString()) as ProposedV1)
    if (path === '/api/v2/log/entries') return this.#logV2(JSON.parse(body.toString()) as ProposedV2)
    if (path === '/timestamp') {
      const { signer } = await this.#stamps
      return { status: 200, body: await answerBlindly(signer, body, { at: this.#instance.at }) }
    }
    return { status: 404, body: '' }
  }

  /** Rekor v1: kind `dsse`. The log stores the digests of envelope and payload. */
  #logV1({ kind, spec }: ProposedV1): Answer {
    const { envelope, verifiers } = spec.proposedContent
    const { payload, payloadType, signatures } = JSON.parse(envelope) as Envelope
    const [verifier, sig] = [verifiers[0] ?? '', signatures[0]?.sig ?? '']
    const payloadBytes = Buffer.from(payload, 'base64')
    const certificate = new X509Certificate(Buffer.from(verifier, 'base64'))
    const signature = Buffer.from(sig, 'base64')
    if (
      kind !== 'dsse' ||
      !verify('sha256', preAuthEncoding(payloadType, payloadBytes), certificate.publicKey, signature)
    )
      return { status: 400, body: JSON.stringify({ code: 400, message: 'the signature does not verify' }) }
    const digest = (content: string | Buffer) => ({
      algorithm: 'sha256',
      value: createHash('sha256').update(content).digest('hex'),
    })
    const entry = this.#instance.entry(
      {
        apiVersion: '0.0.1',
        kind: 'dsse',
        spec: {
          envelopeHash: digest(envelope),
          payloadHash: digest(payloadBytes),
          signatures: [{ signature: sig, verifier }],
        },
      },
      { rekor: 'v1' },
    ) as EntryV1
    const { inclusionProof, inclusionPromise } = entry
    const hex = (base64: string) => Buffer.from(base64, 'base64').toString('hex')
    const answered = {
      body: entry.canonicalizedBody,
      integratedTime: Number(entry.integratedTime),
      logID: hex(entry.logId.keyId),
      logIndex: Number(entry.logIndex),
      verification: {
        inclusionProof: {
          checkpoint: inclusionProof.checkpoint.envelope,
          hashes: [],
          logIndex: 0,
          rootHash: hex(inclusionProof.rootHash),
          treeSize: 1,
        },
        signedEntryTimestamp: inclusionPromise.signedEntryTimestamp,
      },
    }
    return { status: 201, body: JSON.stringify({ [hex(inclusionProof.rootHash)]: answered }) }
  }

  /** Rekor v2: accepts only `hashedrekord`, like its servers since 2.3. */
  #logV2({ hashedRekordRequestV002: proposed }: ProposedV2): Answer {
    if (!proposed) return { status: 400, body: JSON.stringify({ code: 3, message: 'not a hashedrekord' }) }
    const { digest, signature } = proposed
    const entry = this.#instance.entry(
      {
        apiVersion: '0.0.2',
        kind: 'hashedrekord',
        spec: { hashedRekordV002: { data: { algorithm: 'SHA2_256', digest }, signature } },
      },
      { rekor: 'v2' },
    )
    return { status: 201, body: JSON.stringify(entry) }
  }
}

/** A token that `@sigstore/mock` accepts, without a valid signature. */
export function identityToken(claims: object = {}): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const now = Math.floor(Date.now() / 1000)
  const all = { iss: ISSUER, sub: IDENTITY, aud: 'sigstore', iat: now, exp: now + 600, ...claims }
  return `${part({ alg: 'ES256', typ: 'JWT' })}.${part(all)}.${Buffer.from('no signature').toString('base64url')}`
}

interface Envelope {
  payload: string
  payloadType: string
  signatures: { sig: string }[]
}

interface ProposedV1 {
  kind: string
  spec: { proposedContent: { envelope: string; verifiers: string[] } }
}

interface ProposedV2 {
  hashedRekordRequestV002?: { digest: string; signature: object }
}

interface EntryV1 {
  logIndex: string
  logId: { keyId: string }
  integratedTime: string
  canonicalizedBody: string
  inclusionPromise: { signedEntryTimestamp: string }
  inclusionProof: { rootHash: string; checkpoint: { envelope: string } }
}
