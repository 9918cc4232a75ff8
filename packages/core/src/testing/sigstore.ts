import { createHash, generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import { initializeCA, initializeCTLog, initializeTSA } from '@sigstore/mock'
import { parseBundle, writeBundle, type UnverifiedBundle } from '../bundle/bundle.ts'
import { IN_TOTO_PAYLOAD_TYPE, preAuthEncoding } from '../bundle/dsse.ts'
import { writeStatement } from '../bundle/statement.ts'
import { parseTrustConfig } from '../verification/sigstore/trust-config.ts'
import { Manifest } from '../manifest/manifest.ts'
import type { Signer } from '../signing/signer.ts'
import { toTrust, type SigstoreTrust } from '../verification/sigstore/trust.ts'

/** How a test bundle differs from a valid one. */
export interface Wanted {
  identity?: string
  issuer?: string
  /** Object identifiers and values. */
  extensions?: { oid: string; value: string; legacy?: boolean }[]
  /** `v1`: an entry with a promised time; `v2`: an entry without one. */
  rekor?: 'v1' | 'v2'
  /** Time of the log's promise. */
  loggedAt?: Date
  /** Time of an RFC 3161 timestamp. */
  stampedAt?: Date
  /** Bytes that the timestamp covers. Default: the signature. */
  stamped?: Buffer
  logOfCertificates?: boolean
}

/* eslint-disable @typescript-eslint/no-explicit-any -- tests tamper with bundles */
export type BundleJson = any

export const IDENTITY = 'https://github.com/example/models/.github/workflows/sign.yml@refs/heads/main'
export const ISSUER = 'https://token.actions.githubusercontent.com'

/** A Sigstore instance in this process: the authorities of `@sigstore/mock`, and a log with one entry. */
export class TestSigstore {
  readonly #keys = { ca: newKeys(), ct: newKeys(), tsa: newKeys(), log: newKeys() }
  /**
   * When certificates are issued: in whole seconds, as the mocks require, and after the roots, which are valid from
   * their creation. Well within the allowed clock skew.
   */
  readonly at = new Date(Math.floor(Date.now() / 1000) * 1000 + 60_000)

  #root: BundleJson

  /** The key that issues certificates: the only key of the root. */
  get authorityKeys(): { publicKey: KeyObject; privateKey: KeyObject } {
    return this.#keys.ca
  }

  async trust(): Promise<SigstoreTrust> {
    return toTrust(await parseTrustConfig(Buffer.from(JSON.stringify(await this.root()))), {
      name: 'test',
      source: 'file',
    })
  }

  /** The trusted root as JSON, always the same one. */
  async root(): Promise<BundleJson> {
    return (this.#root ??= await this.newRoot())
  }

  private async newRoot(): Promise<BundleJson> {
    const { ca, ct, tsa, log } = this.#keys
    const timestamps = await initializeTSA(tsa, this.at)
    const { rootCertificate } = await initializeCA(ca, undefined, this.at)
    const logOf = (baseUrl: string, key: KeyObject) => ({
      baseUrl,
      hashAlgorithm: 'SHA2_256',
      publicKey: {
        rawBytes: spki(key).toString('base64'),
        keyDetails: 'PKIX_ECDSA_P256_SHA_256',
        validFor: { start: '2020-01-01T00:00:00Z' },
      },
      logId: { keyId: sha256(spki(key)).toString('base64') },
    })
    const authority = (commonName: string, ...certificates: ArrayBufferView<ArrayBuffer>[]) => ({
      subject: { organization: 'test', commonName },
      uri: '',
      certChain: { certificates: certificates.map((certificate) => ({ rawBytes: base64(certificate) })) },
      validFor: { start: '2020-01-01T00:00:00Z' },
    })
    return {
      mediaType: 'application/vnd.dev.sigstore.trustedroot+json;version=0.1',
      tlogs: [logOf('https://rekor.test', log.publicKey)],
      ctlogs: [logOf('https://ct.test', ct.publicKey)],
      certificateAuthorities: [authority('fulcio', rootCertificate)],
      timestampAuthorities: [authority('tsa', timestamps.intCertificate, timestamps.rootCertificate)],
    }
  }

  async bundle(wanted: Wanted = {}): Promise<UnverifiedBundle> {
    return parsed(await this.json(wanted))
  }

  async json(wanted: Wanted = {}): Promise<BundleJson> {
    const payload = writeStatement(
      new Manifest('model', { method: 'files', hashType: 'sha256', allowSymlinks: false }, [
        { name: 'weights', digest: 'ab'.repeat(32) },
      ]),
    )
    const encoded = preAuthEncoding(IN_TOTO_PAYLOAD_TYPE, payload)
    const { signature, verificationMaterial } = await this.sign(encoded, payload, wanted)
    const envelope = { payloadType: IN_TOTO_PAYLOAD_TYPE, payload, signature } as const
    return JSON.parse(writeBundle(verificationMaterial, envelope).toString())
  }

  /** A signer for whole models. */
  signer(wanted: Wanted = {}): Signer {
    return {
      method: 'sigstore',
      sign: (encoded, _signal, payload) => this.sign(Buffer.from(encoded), Buffer.from(payload ?? []), wanted),
    }
  }

  private async sign(encoded: Buffer, payload: Buffer, wanted: Wanted) {
    const { publicKey, privateKey } = newKeys()
    const certificate = await this.certificate(publicKey, wanted)
    const signature = sign('sha256', encoded, privateKey)
    const body =
      wanted.rekor === 'v2' ? bodyV2(encoded, signature, certificate) : bodyV1(payload, signature, certificate)
    const stamp = wanted.stampedAt && (await this.timestamp(wanted.stamped ?? signature, wanted.stampedAt))
    return {
      signature,
      verificationMaterial: {
        certificate: { rawBytes: certificate.toString('base64') },
        tlogEntries: [this.entry(body, wanted)],
        ...(stamp ? { timestampVerificationData: { rfc3161Timestamps: [{ signedTimestamp: stamp }] } } : {}),
      },
    }
  }

  /** The authority for certificates, which no certificate log monitors. */
  async authority(logged = true) {
    return initializeCA(this.#keys.ca, logged ? await initializeCTLog(this.#keys.ct, this.at) : undefined, this.at)
  }

  async certificate(publicKey: KeyObject, wanted: Wanted): Promise<Buffer> {
    const ca = await this.authority(wanted.logOfCertificates)
    const issuer = wanted.issuer ?? ISSUER
    return Buffer.from(
      (await ca.issueCertificate({
        publicKey: spki(publicKey) as Buffer<ArrayBuffer>,
        subjectAltName: wanted.identity ?? IDENTITY,
        extensions: [
          { oid: '1.3.6.1.4.1.57264.1.1', value: issuer, legacy: true },
          { oid: '1.3.6.1.4.1.57264.1.8', value: issuer },
          ...(wanted.extensions ?? []),
        ],
      })) as Buffer,
    )
  }

  /** An entry of a log whose tree has only this leaf (RFC 6962 2.1). */
  entry(body: { kind: string; apiVersion: string; spec: object }, { rekor, loggedAt }: Wanted): object {
    const { publicKey, privateKey } = this.#keys.log
    const keyId = sha256(spki(publicKey))
    const text = Buffer.from(JSON.stringify(body))
    const rootHash = sha256(Buffer.concat([Buffer.from([0]), text]))
    const note = `rekor.test\n1\n${rootHash.toString('base64')}\n`
    const noteSignature = Buffer.concat([keyId.subarray(0, 4), sign('sha256', Buffer.from(note), privateKey)])
    const integratedTime = rekor === 'v2' ? 0 : Math.floor((loggedAt ?? this.at).getTime() / 1000)
    const promised = JSON.stringify({
      body: text.toString('base64'),
      integratedTime,
      logID: keyId.toString('hex'),
      logIndex: 0,
    })
    return {
      logIndex: '0',
      logId: { keyId: keyId.toString('base64') },
      kindVersion: { kind: body.kind, version: body.apiVersion },
      integratedTime: String(integratedTime),
      ...(rekor === 'v2'
        ? {}
        : {
            inclusionPromise: {
              signedEntryTimestamp: sign('sha256', Buffer.from(promised), privateKey).toString('base64'),
            },
          }),
      inclusionProof: {
        logIndex: '0',
        rootHash: rootHash.toString('base64'),
        treeSize: '1',
        hashes: [],
        checkpoint: { envelope: `${note}\n— rekor.test ${noteSignature.toString('base64')}\n` },
      },
      canonicalizedBody: text.toString('base64'),
    }
  }

  async timestamp(data: Buffer, at: Date): Promise<string> {
    const authority = await initializeTSA(this.#keys.tsa, at)
    const response = await authority.timestamp({
      artifactHash: sha256(data),
      hashAlgorithmOID: '2.16.840.1.101.3.4.2.1',
      nonce: 1,
      policyOID: '1.2.3',
      certReq: true,
    })
    return base64(response)
  }
}

export function parsed(json: BundleJson): UnverifiedBundle {
  return parseBundle(Buffer.from(JSON.stringify(json)))
}

function bodyV1(payload: Buffer, signature: Buffer, certificate: Buffer) {
  const pem = `-----BEGIN CERTIFICATE-----\n${certificate.toString('base64')}\n-----END CERTIFICATE-----\n`
  return {
    apiVersion: '0.0.1',
    kind: 'dsse',
    spec: {
      payloadHash: { algorithm: 'sha256', value: sha256(payload).toString('hex') },
      signatures: [{ signature: signature.toString('base64'), verifier: Buffer.from(pem).toString('base64') }],
    },
  }
}

function bodyV2(encoded: Buffer, signature: Buffer, certificate: Buffer) {
  return {
    apiVersion: '0.0.2',
    kind: 'hashedrekord',
    spec: {
      hashedRekordV002: {
        data: { algorithm: 'SHA2_256', digest: sha256(encoded).toString('base64') },
        signature: {
          content: signature.toString('base64'),
          verifier: {
            keyDetails: 'PKIX_ECDSA_P256_SHA_256',
            x509Certificate: { rawBytes: certificate.toString('base64') },
          },
        },
      },
    },
  }
}

function newKeys() {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' })
}

function spki(key: KeyObject): Buffer {
  return key.export({ type: 'spki', format: 'der' })
}

function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest()
}

function base64({ buffer, byteOffset, byteLength }: ArrayBufferView<ArrayBuffer>): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString('base64')
}
