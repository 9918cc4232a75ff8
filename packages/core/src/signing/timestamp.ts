import { createHash, randomBytes } from 'node:crypto'
import { reasonOf } from '../any-realm.ts'
import {
  isTimestampOver,
  MAX_TIMESTAMP_BYTES,
  parseTimestamp,
  readStatus,
  timestampFault,
} from '../bundle/timestamp.ts'
import { ModelSealError, shown } from '../errors.ts'
import { bytesCopy, milliseconds, required, signal, text } from '../kinds.ts'
import { signalAfter } from '../real-time.ts'
import { snapshot, type Shape } from '../snapshot.ts'
import { throwIfAborted } from '../source/aborted.ts'
import type { SignedAt } from './signer.ts'

export interface TimestampRequest {
  /** URL of the authority (`http` or `https`). */
  url: string
  /** The data that the timestamp covers. */
  data: Uint8Array
  /** Milliseconds until the authority counts as unreachable. Default: 30,000. */
  timeoutMs?: number | undefined
  signal?: AbortSignal | undefined
}

const DEFAULT_TIMEOUT_MS = 30_000
const SHA256 = '2.16.840.1.101.3.4.2.1'
/** 64 bits, the minimum of RFC 3161 2.4.1. */
const NONCE_BYTES = 16

/**
 * Requests a timestamp, which proves that some data exists now (RFC 3161 section 3.4, over HTTP). The response is
 * checked to cover this data and to belong to this request. Whether the authority is trusted is up to the verifier.
 *
 * @returns the response (DER, `TimeStampResp`), as bundles contain it
 * @throws {@link ModelSealError} `INVALID_ARGUMENT`, `TSA_UNREACHABLE`, `TSA_REFUSED`, `TSA_RESPONSE`, `ABORTED`
 * @example
 * ```ts
 * const response = await timestampFrom({ url: 'https://tsa.example.org', data: signature })
 * ```
 */
export async function timestampFrom(given: TimestampRequest): Promise<Buffer> {
  const request = snapshot(given, REQUEST, 'timestampFrom')
  const url = checkedUrl(request.url)
  const nonce = randomBytes(NONCE_BYTES)
  nonce[0] = ((nonce[0] ?? 0) & 0x7f) | 0x40 // positive, and without a leading zero
  const response = await post(url, await encodeRequest(request.data, nonce), request)
  await checkResponse(response, request.data, nonce, url)
  return response
}

const REQUEST: Shape<TimestampRequest> = {
  url: required(text),
  data: required(bytesCopy),
  timeoutMs: milliseconds,
  signal,
}

/** A timestamp of a signature, as the material of a bundle. As in Sigstore, it covers the bytes of the signature. */
export async function timestampOver(
  signature: Uint8Array,
  url: string,
  signal: AbortSignal | undefined,
): Promise<{ material: object; time: SignedAt }> {
  const response = await timestampFrom({ url, data: signature, signal })
  const rfc3161Timestamps = [{ signedTimestamp: response.toString('base64') }]
  const { at } = await parseTimestamp(response)
  return {
    material: { timestampVerificationData: { rfc3161Timestamps } },
    time: { at: at.toISOString(), source: 'rfc3161', authority: url },
  }
}

async function encodeRequest(data: Uint8Array, nonce: Buffer): Promise<ArrayBuffer> {
  const [{ AlgorithmIdentifier, MessageImprint, TimeStampReq }, asn1js] = await Promise.all([
    import('pkijs'),
    import('asn1js'),
  ])
  const digest = createHash('sha256').update(data).digest()
  return new TimeStampReq({
    version: 1,
    messageImprint: new MessageImprint({
      hashAlgorithm: new AlgorithmIdentifier({ algorithmId: SHA256, algorithmParams: new asn1js.Null() }),
      hashedMessage: new asn1js.OctetString({ valueHex: digest }),
    }),
    nonce: new asn1js.Integer({ valueHex: nonce }),
    certReq: true,
  })
    .toSchema()
    .toBER()
}

async function post(url: URL, body: ArrayBuffer, request: TimestampRequest): Promise<Buffer> {
  throwIfAborted(request.signal)
  const limit = signalAfter(request.timeoutMs ?? DEFAULT_TIMEOUT_MS)
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/timestamp-query', accept: 'application/timestamp-reply' },
      body,
      redirect: 'error',
      signal: request.signal ? AbortSignal.any([request.signal, limit]) : limit,
    })
    if (response.status !== 200) {
      await response.body?.cancel()
      throw refused(url, `HTTP status ${response.status}`)
    }
    return await readBounded(response, url)
  } catch (cause) {
    if (cause instanceof ModelSealError) throw cause
    throwIfAborted(request.signal)
    throw new ModelSealError('TSA_UNREACHABLE', `Cannot reach the timestamp authority ${named(url)}.`, {
      found: shown(limit.aborted ? 'no response in time' : reasonOf(cause)),
      hint: 'Check the URL and the network. The model was not signed.',
      cause,
    })
  }
}

async function readBounded(response: Response, url: URL): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    length += chunk.length
    if (length > MAX_TIMESTAMP_BYTES) throw wrong(url, new Error(`more than ${MAX_TIMESTAMP_BYTES} bytes`))
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** RFC 3161 2.4.2: granted, over the same digest, with the same nonce. */
async function checkResponse(response: Buffer, data: Uint8Array, nonce: Buffer, url: URL): Promise<void> {
  const status = await readStatus(response).catch((cause: unknown) => {
    throw wrong(url, cause)
  })
  if (!status.granted) throw refused(url, status.words)
  try {
    const timestamp = await parseTimestamp(response)
    if (!isTimestampOver(timestamp, data)) throw new Error('a timestamp over other data')
    const answered = timestamp.info.nonce?.valueBlock.valueHexView
    if (!answered || !nonce.equals(answered)) throw new Error('a timestamp for another request')
  } catch (cause) {
    throw wrong(url, cause)
  }
}

/** @throws {@link ModelSealError} `INVALID_ARGUMENT`, before any work is done */
export function checkTimestampUrl(text: string): void {
  checkedUrl(text)
}

function checkedUrl(text: string): URL {
  const url = typeof text === 'string' ? URL.parse(text) : null
  if (url && (url.protocol === 'https:' || url.protocol === 'http:') && url.username === '' && url.password === '')
    return url
  throw new ModelSealError('INVALID_ARGUMENT', 'Invalid URL of the timestamp authority.', {
    expected: 'an http or https URL without credentials',
    hint: 'Use a URL such as "https://tsa.example.org/tsr".',
  })
}

/** Without the query, which may contain a secret. */
function named(url: URL): string {
  return shown(url.origin + url.pathname)
}

function refused(url: URL, found: string): ModelSealError {
  return new ModelSealError('TSA_REFUSED', `Cannot get a timestamp: the authority ${named(url)} refused the request.`, {
    found: shown(found),
    hint: 'The model was not signed.',
  })
}

function wrong(url: URL, cause: unknown): ModelSealError {
  return timestampFault(
    'TSA_RESPONSE',
    `Cannot get a timestamp: unexpected response from the authority ${named(url)}.`,
    cause,
    undefined,
  )
}
