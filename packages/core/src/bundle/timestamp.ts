import { createHash, timingSafeEqual } from 'node:crypto'
import type { GeneralizedTime, Sequence } from 'asn1js'
import type * as pkijs from 'pkijs'
import { messageOf } from '../any-realm.ts'
import { ModelSealError, shown, type ErrorCode } from '../errors.ts'
import { checkIdentifierBytes } from '../x509/identifier-bytes.ts'

/** A well-formed timestamp that has not been verified: its time is a claim. */
export interface UnverifiedTimestamp {
  token: pkijs.SignedData
  info: pkijs.TSTInfo
  /** The stated time. */
  at: Date
  /** The stated accuracy of that time, in milliseconds. */
  accuracyMs: number
  /** DER of the signed content. */
  content: Buffer
}

/** A response with its certificate chain is 2 to 10 KiB long. */
export const MAX_TIMESTAMP_BYTES = 64 * 1024
/** A timestamp with the certificates of its authority has some 400 values. Reading 10,000 takes a quarter of a second. */
const MAX_NODES = 2000

const SIGNED_DATA = '1.2.840.113549.1.7.2'
const TST_INFO = '1.2.840.113549.1.9.16.1.4'
const GRANTED = [0, 1]
/** RFC 3161 2.4.2: with seconds, in UTC. The library takes other forms, misreads times of other zones, and takes exponents in fractions. */
const GEN_TIME = /^\d{14}(?:\.\d+)?Z$/

/** SHA-2 by object identifier, with OpenSSL's names. A timestamp over a weaker hash proves nothing. */
export const IMPRINT_HASHES: ReadonlyMap<string, string> = new Map([
  ['2.16.840.1.101.3.4.2.1', 'sha256'],
  ['2.16.840.1.101.3.4.2.2', 'sha384'],
  ['2.16.840.1.101.3.4.2.3', 'sha512'],
])

/**
 * Reads an RFC 3161 response (`TimeStampResp`, section 2.4.2) strictly. It must be granted, with one signer
 * and one TSTInfo of version 1.
 *
 * @throws {@link ModelSealError} `TIMESTAMP_INVALID`
 */
export async function parseTimestamp(der: Buffer, path?: string): Promise<UnverifiedTimestamp> {
  try {
    const response = await readResponse(der)
    const token = response.timeStampToken
    if (!GRANTED.includes(response.status.status) || !token) throw new Error('no timestamp was granted')
    return await readToken(token)
  } catch (cause) {
    throw timestampFault('TIMESTAMP_INVALID', 'Cannot read a timestamp of the bundle.', cause, path)
  }
}

/**
 * The status and the text of a response (RFC 3161 2.4.2).
 *
 * @throws Error if it is not a response
 */
export async function readStatus(der: Buffer): Promise<{ granted: boolean; words: string }> {
  const { status } = await readResponse(der)
  const words = (status.statusStrings ?? []).map(({ valueBlock }) => valueBlock.value).join(' ')
  return { granted: GRANTED.includes(status.status), words: `status ${status.status} ${words}`.trim() }
}

async function readResponse(der: Buffer): Promise<pkijs.TimeStampResp> {
  const [{ TimeStampResp }, { fromBER }] = await Promise.all([import('pkijs'), import('asn1js')])
  if (der.length > MAX_TIMESTAMP_BYTES) throw new Error(`${der.length} bytes are too many for a timestamp`)
  checkIdentifierBytes(der)
  const { result, offset } = fromBER(der, { maxNodes: MAX_NODES })
  if (offset !== der.length) throw new Error('it is not DER or has trailing data')
  return new TimeStampResp({ schema: result })
}

async function readToken({ contentType, content }: pkijs.ContentInfo): Promise<UnverifiedTimestamp> {
  const [{ SignedData, TSTInfo }, { fromBER }] = await Promise.all([import('pkijs'), import('asn1js')])
  if (contentType !== SIGNED_DATA) throw new Error('it is not signed data')
  const token = new SignedData({ schema: content as unknown })
  const { eContentType, eContent } = token.encapContentInfo
  if (eContentType !== TST_INFO || !eContent) throw new Error('it does not contain a time')
  if (token.signerInfos.length !== 1) throw new Error('it does not have exactly one signer')

  const signed = Buffer.from(eContent.getValue())
  const { result, offset } = fromBER(signed, { maxNodes: MAX_NODES })
  if (offset !== signed.length) throw new Error('its content is not DER or has trailing data')
  const info = new TSTInfo({ schema: result })
  if (info.version !== 1) throw new Error('its version is not 1')
  if (!GEN_TIME.test(timeIn(result))) throw new Error('its time is invalid')
  return { token, info, at: info.genTime, accuracyMs: accuracyOf(info), content: signed }
}

/** The text of its time, which is the fifth value (RFC 3161 2.4.2). */
function timeIn(schema: unknown): string {
  const { value } = (schema as Sequence).valueBlock
  return Buffer.from((value[4] as GeneralizedTime).valueBlock.valueHexView).toString('latin1')
}

/** RFC 3161 2.4.2: the sum of seconds, milliseconds and microseconds; 0 if not stated. */
function accuracyOf({ accuracy }: pkijs.TSTInfo): number {
  if (!accuracy) return 0
  const { seconds = 0, millis = 0, micros = 0 } = accuracy
  const sum = seconds * 1000 + millis + Math.ceil(micros / 1000)
  if (!(sum >= 0 && Number.isFinite(sum))) throw new Error('its accuracy is invalid')
  return sum
}

/** Whether the timestamp covers these bytes (RFC 3161 2.4.2, messageImprint) with a strong hash. */
export function isTimestampOver({ info }: UnverifiedTimestamp, data: Uint8Array): boolean {
  const { hashAlgorithm, hashedMessage } = info.messageImprint
  const hash = IMPRINT_HASHES.get(hashAlgorithm.algorithmId)
  if (hash === undefined) return false
  const [stated, found] = [hashedMessage.valueBlock.valueHexView, createHash(hash).update(data).digest()]
  return stated.length === found.length && timingSafeEqual(stated, found)
}

/** A refusal that says what is wrong with a timestamp. */
export function timestampFault(
  code: ErrorCode,
  sentence: string,
  cause: unknown,
  path: string | undefined,
): ModelSealError {
  return new ModelSealError(code, sentence, {
    file: path,
    found: shown(messageOf(cause)),
    cause,
  })
}
