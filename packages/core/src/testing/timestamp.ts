import { createHash, webcrypto } from 'node:crypto'
import * as asn1js from 'asn1js'
import * as pkijs from 'pkijs'
import { authority, issue, TIME_STAMPING, type Issued, type IssueOptions } from './authority.ts'

// Timestamps for tests, valid by default.

export interface TimestampOptions {
  at?: Date
  accuracy?: { seconds?: number; millis?: number }
  /** The data that it claims to cover, if not the given data. */
  over?: Uint8Array
  /** SHA-256 of the data that it covers, if only that is known. */
  imprint?: Uint8Array
  /** The certificate that its attribute names, if not the signing one. */
  names?: Issued
  /** Object identifiers of attributes to omit. */
  without?: readonly string[]
  /** Replaces the attributes that it signs. */
  change?: (attributes: pkijs.Attribute[]) => pkijs.Attribute[]
  /** The hash of its content and signature. Default: SHA-256. */
  hash?: 'SHA-1' | 'SHA-256' | 'SHA-384'
  /** The certificates in it. Default: the signing one. */
  certificates?: readonly Issued[]
  /** Object identifier of the algorithm that it states for its signature, if not the one that it was made with. */
  signatureAlgorithm?: string
  /** Replaces the content after signing. */
  changedAfter?: boolean
  status?: pkijs.PKIStatus
  nonce?: asn1js.Integer | undefined
  signers?: number
}

export const SIGNING_CERTIFICATE_V2 = '1.2.840.113549.1.9.16.2.47'
const CONTENT_TYPE = '1.2.840.113549.1.9.3'
const MESSAGE_DIGEST = '1.2.840.113549.1.9.4'
const TST_INFO = '1.2.840.113549.1.9.16.1.4'
const SHA256 = '2.16.840.1.101.3.4.2.1'

/** A timestamp authority: its root, and the certificate that it signs with. */
export async function timestampAuthority(
  options: Partial<IssueOptions> = {},
  top?: Issued,
): Promise<{ root: Issued; signer: Issued }> {
  const root = top ?? (await authority('Time Root', options))
  const signer = await issue({
    subject: 'Time Authority',
    issuer: root,
    usages: ['digitalSignature'],
    extendedUsages: [TIME_STAMPING],
    extendedCritical: true,
    ...options,
  })
  return { root, signer }
}

/** A response of the authority over some data (DER). */
export async function timestamp(signer: Issued, data: Uint8Array, options: TimestampOptions = {}): Promise<Buffer> {
  const content = tstInfo(options.over ?? data, options)
  const hash = options.hash ?? 'SHA-256'
  const made = [
    new pkijs.Attribute({ type: CONTENT_TYPE, values: [new asn1js.ObjectIdentifier({ value: TST_INFO })] }),
    new pkijs.Attribute({
      type: MESSAGE_DIGEST,
      values: [octets(createHash(hash.replace('-', '')).update(content).digest())],
    }),
    new pkijs.Attribute({
      type: SIGNING_CERTIFICATE_V2,
      values: [sequence(sequence(sequence(octets(sha256((options.names ?? signer).der)))))],
    }),
  ].filter(({ type }) => !options.without?.includes(type))
  const attributes = options.change?.(made) ?? made
  const signed = new pkijs.SignedData({
    version: 3,
    encapContentInfo: new pkijs.EncapsulatedContentInfo({
      eContentType: TST_INFO,
      eContent: octets(Buffer.from(content)),
    }),
    signerInfos: Array.from(
      { length: options.signers ?? 1 },
      () =>
        new pkijs.SignerInfo({
          version: 1,
          sid: new pkijs.IssuerAndSerialNumber({
            issuer: signer.fields.issuer,
            serialNumber: signer.fields.serialNumber,
          }),
          signedAttrs: new pkijs.SignedAndUnsignedAttributes({ type: 0, attributes }),
        }),
    ),
    ...(options.certificates?.length === 0
      ? {}
      : { certificates: (options.certificates ?? [signer]).map(({ fields }) => fields) }),
  })
  // The constructor splits it into pieces, which is BER; authorities write DER.
  signed.encapContentInfo.eContent = octets(Buffer.from(content))
  for (const index of signed.signerInfos.keys()) await signed.sign(signer.keys.privateKey, index, hash)
  for (const info of signed.signerInfos)
    if (options.signatureAlgorithm !== undefined) info.signatureAlgorithm.algorithmId = options.signatureAlgorithm
  if (options.changedAfter) signed.encapContentInfo.eContent = octets(tstInfo(data, { at: new Date(0) }))
  const response = new pkijs.TimeStampResp({
    status: new pkijs.PKIStatusInfo({ status: options.status ?? pkijs.PKIStatus.granted }),
    timeStampToken: new pkijs.ContentInfo({
      contentType: pkijs.ContentInfo.SIGNED_DATA,
      content: signed.toSchema(true),
    }),
  })
  return Buffer.from(response.toSchema().toBER())
}

/** Answers a request (RFC 3161 2.4.1) as a sound authority does; `data` is what the request covers. */
export function answer(
  signer: Issued,
  request: Buffer,
  data: Uint8Array,
  options: TimestampOptions = {},
): Promise<Buffer> {
  const { nonce } = new pkijs.TimeStampReq({ schema: asn1js.fromBER(request).result })
  return timestamp(signer, data, { nonce, ...options })
}

/** Like {@link answer}, if only the request says what it covers. */
export function answerBlindly(signer: Issued, request: Buffer, options: TimestampOptions = {}): Promise<Buffer> {
  const { messageImprint } = new pkijs.TimeStampReq({ schema: asn1js.fromBER(request).result })
  const imprint = Buffer.from(messageImprint.hashedMessage.valueBlock.valueHexView)
  return answer(signer, request, imprint, { imprint, ...options })
}

/** A response without a timestamp. */
export function rejection(words: string): Buffer {
  const status = new pkijs.PKIStatusInfo({
    status: pkijs.PKIStatus.rejection,
    statusStrings: [new asn1js.Utf8String({ value: words })],
  })
  return Buffer.from(new pkijs.TimeStampResp({ status }).toSchema().toBER())
}

function tstInfo(data: Uint8Array, { at, accuracy, nonce, imprint }: TimestampOptions): Buffer {
  const info = new pkijs.TSTInfo({
    version: 1,
    policy: '1.3.6.1.4.1.99999.3',
    messageImprint: new pkijs.MessageImprint({
      hashAlgorithm: new pkijs.AlgorithmIdentifier({ algorithmId: SHA256, algorithmParams: new asn1js.Null() }),
      hashedMessage: octets(Buffer.from(imprint ?? sha256(data))),
    }),
    serialNumber: new asn1js.Integer({ valueHex: webcrypto.getRandomValues(new Uint8Array(8)).fill(1, 0, 1) }),
    genTime: at ?? new Date(),
    ...(nonce ? { nonce } : {}),
    ...(accuracy ? { accuracy: new pkijs.Accuracy(accuracy) } : {}),
  })
  return Buffer.from(info.toSchema().toBER())
}

function sha256(data: Uint8Array): Buffer {
  return createHash('sha256').update(data).digest()
}

function octets(bytes: Buffer): asn1js.OctetString {
  return new asn1js.OctetString({ valueHex: Uint8Array.from(bytes).buffer })
}

function sequence(value: asn1js.Sequence | asn1js.OctetString): asn1js.Sequence {
  return new asn1js.Sequence({ value: [value] })
}
