import { createHash, X509Certificate } from 'node:crypto'
import type { TransparencyLogEntry } from '@sigstore/bundle'
import type * as SigningLibrary from '@sigstore/sign'
import { IN_TOTO_PAYLOAD_TYPE } from '../../bundle/dsse.ts'
import { messageOf } from '../../any-realm.ts'
import { ModelSealError, shown } from '../../errors.ts'
import { errno } from '../../source/file-errors.ts'
import { optionalPackage } from '../../source/optional-package.ts'
import { denialHint } from '../../source/private/access-denied.ts'
import { checkToken, SIGSTORE_CLIENT } from '../sigstore/identity-token.ts'
import { callService, DEFAULT_TIMEOUT_MS, type ServiceCall } from '../../source/http/service-call.ts'
import type { LoggedAt, Signer } from '../signer.ts'
import type { SigningServices } from '../sigstore/services.ts'
import { timestampFrom } from '../timestamp.ts'

interface KeylessOptions {
  services: SigningServices
  /** Called for a token after the model was hashed. */
  identityToken: (signal?: AbortSignal) => Promise<string>
  /** Audience of the token. Default: `sigstore`. */
  clientId?: string | undefined
  /** Timeout for each call to a service, in milliseconds. Default: 30,000. */
  timeoutMs?: number | undefined
}

/** What is logged: the signature, the signed data, and the signer. */
interface Logged {
  encoded: Buffer
  payload: Buffer
  signature: Buffer
  /** PEM. */
  certificate: string
}

/**
 * Signs with an ephemeral key and a certificate that Fulcio issues for it (OMS 4.1 `sigstore`). The certificate is
 * requested only after the model was hashed, because it is valid for ten minutes.
 */
export function keylessSigner(options: KeylessOptions): Signer {
  const { services } = options
  return {
    method: 'sigstore',
    async sign(encodedBytes, signal, payloadBytes = new Uint8Array()) {
      const [encoded, payload] = [Buffer.from(encodedBytes), Buffer.from(payloadBytes)]
      const token = await options.identityToken(signal)
      checkToken(token, options.clientId ?? SIGSTORE_CLIENT)
      const call = (service: string, url: string): ServiceCall => ({
        service,
        url,
        timeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
        signal,
        secrets: [token],
      })
      const { signature, certificate } = await certify(
        encoded,
        token,
        call('certificate authority', services.authority),
      )
      const tlogEntries: LogEntry[] = []
      const logEntries: LoggedAt[] = []
      for (const { url, version } of services.logs) {
        const logged = { encoded, payload, signature, certificate }
        const entry = await log(logged, version, call('transparency log', url))
        tlogEntries.push(entry)
        logEntries.push({ log: url, index: entry.logIndex })
      }
      const rfc3161Timestamps: object[] = []
      for (const url of services.timestampAuthorities) {
        const response = await timestampFrom({ url, data: signature, timeoutMs: options.timeoutMs, signal })
        rfc3161Timestamps.push({ signedTimestamp: response.toString('base64') })
      }
      return {
        signature,
        logEntries,
        verificationMaterial: {
          certificate: { rawBytes: new X509Certificate(certificate).raw.toString('base64') },
          tlogEntries,
          ...(rfc3161Timestamps.length > 0 ? { timestampVerificationData: { rfc3161Timestamps } } : {}),
        },
      }
    },
  }
}

/**
 * Loads the optional package that signs with Sigstore.
 *
 * @throws {@link ModelSealError} `SIGSTORE_UNAVAILABLE`
 */
export function signingLibrary(): typeof SigningLibrary {
  try {
    return optionalPackage('@sigstore/sign') as typeof SigningLibrary
  } catch (cause) {
    const missing = errno(cause) === 'MODULE_NOT_FOUND' && messageOf(cause).includes("'@sigstore/sign'")
    throw new ModelSealError(
      'SIGSTORE_UNAVAILABLE',
      missing
        ? 'Cannot sign with Sigstore: the optional package @sigstore/sign is not installed.'
        : 'Cannot sign with Sigstore: the optional package @sigstore/sign is installed, but cannot be loaded.',
      {
        found: missing ? undefined : shown(messageOf(cause)),
        hint: missing
          ? 'Run "npm install @sigstore/sign@5", beside @modelseal/core or, if the program is bundled, beside the bundle.'
          : (denialHint(cause) ?? 'Install it again: "npm install @sigstore/sign@5".'),
        cause,
      },
    )
  }
}

async function certify(encoded: Buffer, token: string, call: ServiceCall) {
  const { FulcioSigner } = signingLibrary()
  const { signature, key } = await callService(call, () =>
    new FulcioSigner({
      fulcioBaseURL: call.url,
      identityProvider: { getToken: () => Promise.resolve(token) },
      timeout: call.timeoutMs,
      retry: false,
    }).sign(encoded),
  )
  if (key.$case === 'x509Certificate' && key.certificate) return { signature, certificate: key.certificate }
  throw new ModelSealError('SERVICE_REFUSED', 'Cannot sign: the certificate authority issued no certificate.')
}

/**
 * Rekor v1 logs the envelope. Rekor v2 accepts only hashed entries, in which a DSSE envelope is the SHA-256 of its
 * pre-authentication encoding. The Python and JavaScript clients verify both.
 */
async function log({ encoded, payload, signature, certificate }: Logged, version: 1 | 2, call: ServiceCall) {
  const { RekorWitness } = signingLibrary()
  const { HashAlgorithm, TransparencyLogEntry: codec } = await import('@sigstore/protobuf-specs')
  const witness = new RekorWitness({
    rekorBaseURL: call.url,
    majorApiVersion: version,
    entryType: 'dsse',
    timeout: call.timeoutMs,
    retry: false,
  })
  const digest = createHash('sha256').update(encoded).digest()
  const { tlogEntries } = await callService(call, () =>
    witness.testify(
      version === 2
        ? {
            $case: 'messageSignature',
            messageSignature: { messageDigest: { algorithm: HashAlgorithm.SHA2_256, digest }, signature },
          }
        : {
            $case: 'dsseEnvelope',
            dsseEnvelope: {
              payload,
              payloadType: IN_TOTO_PAYLOAD_TYPE,
              signatures: [{ sig: signature, keyid: '' }],
            },
          },
      certificate,
    ),
  )
  const [entry] = tlogEntries
  if (!entry) throw new ModelSealError('SERVICE_REFUSED', 'Cannot sign: the transparency log returned no entry.')
  return entryJson(entry, (value) => codec.toJSON(value))
}

interface LogEntry {
  logIndex: string
  integratedTime: string
}

/** The codec omits zero and empty values, as in the first entry of a log, but readers require them. */
function entryJson(entry: TransparencyLogEntry, toJSON: (entry: TransparencyLogEntry) => unknown): LogEntry {
  const json = toJSON(entry) as { inclusionProof?: object; logIndex?: string }
  return {
    logIndex: '0',
    integratedTime: '0',
    ...json,
    ...(json.inclusionProof ? { inclusionProof: { logIndex: '0', hashes: [], ...json.inclusionProof } } : {}),
  }
}
