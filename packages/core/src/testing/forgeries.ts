import { createPublicKey, randomBytes, type KeyObject } from 'node:crypto'
import * as asn1js from 'asn1js'
import * as pkijs from 'pkijs'
import { readX509 } from '../x509/certificate.ts'
import type { Issued } from './authority.ts'

// Certificates for tests that no honest authority would issue, with keys and algorithms that pkijs does not support.

/** How to sign a certificate again. */
export interface Resigning {
  /** Object identifier of the algorithm. */
  algorithm: string
  parameters?: asn1js.BaseBlock
  /** Signs the signed part of the certificate. */
  sign: (signed: Buffer) => Buffer
  /** Replaces the subject's key. */
  key?: KeyObject
}

/** The same certificate, signed differently. */
export function resigned<T extends Issued>(issued: T, { algorithm, parameters, sign, key }: Resigning): T {
  const fields = pkijs.Certificate.fromBER(issued.der)
  if (key) fields.subjectPublicKeyInfo = pkijs.PublicKeyInfo.fromBER(key.export({ type: 'spki', format: 'der' }))
  fields.signature = fields.signatureAlgorithm = new pkijs.AlgorithmIdentifier({
    algorithmId: algorithm,
    ...(parameters ? { algorithmParams: parameters } : {}),
  })
  const signed = fields.encodeTBS().toBER()
  fields.tbsView = new Uint8Array(signed)
  fields.signatureValue = new asn1js.BitString({ valueHex: Uint8Array.from(sign(Buffer.from(signed))).buffer })
  const der = Buffer.from(fields.toSchema(true).toBER())
  return { ...issued, der, x509: readX509(der), fields }
}

export const NULL = new asn1js.Null()

/** RFC 4055 3.1: default values are omitted. */
export function pssParameters({ hash, mask, salt }: { hash?: string; mask?: string; salt?: number }): asn1js.Sequence {
  const identifier = (algorithmId: string) => new pkijs.AlgorithmIdentifier({ algorithmId, algorithmParams: NULL })
  const parameters = new pkijs.RSASSAPSSParams({
    ...(hash === undefined ? {} : { hashAlgorithm: identifier(hash) }),
    ...(mask === undefined
      ? {}
      : {
          maskGenAlgorithm: new pkijs.AlgorithmIdentifier({
            algorithmId: '1.2.840.113549.1.1.8',
            algorithmParams: identifier(mask).toSchema(),
          }),
        }),
    ...(salt === undefined ? {} : { saltLength: salt }),
  })
  return parameters.toSchema()
}

/** A DSA key of made-up numbers. Nobody can sign with it, but checking a signature takes as long as with a real one. */
export function hugeDsaKey(bits: number): KeyObject {
  const number = (length: number) => {
    const bytes = randomBytes(length / 8)
    bytes[0] = 0x7f
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) | 1
    return new asn1js.Integer({ valueHex: Uint8Array.from(bytes).buffer })
  }
  const subgroup = [number(bits), number(256), number(bits - 8)]
  const spki = new asn1js.Sequence({
    value: [
      new asn1js.Sequence({
        value: [new asn1js.ObjectIdentifier({ value: '1.2.840.10040.4.1' }), new asn1js.Sequence({ value: subgroup })],
      }),
      new asn1js.BitString({ valueHex: number(bits - 8).toBER() }),
    ],
  })
  return createPublicKey({ key: Buffer.from(spki.toBER()), type: 'spki', format: 'der' })
}

/** The same for RSA. */
export function madeUpRsaKey(bits: number, exponent: string): KeyObject {
  const modulus = randomBytes(bits / 8)
  modulus[0] = (modulus[0] ?? 0) | 0x80
  modulus[modulus.length - 1] = (modulus.at(-1) ?? 0) | 1
  const n = modulus.toString('base64url')
  const e = Buffer.from(exponent, 'hex').toString('base64url')
  return createPublicKey({ key: { kty: 'RSA', n, e }, format: 'jwk' })
}
