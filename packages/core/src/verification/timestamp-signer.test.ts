import { createHash } from 'node:crypto'
import * as asn1js from 'asn1js'
import { AttributeCertificateV2, Certificate, IssuerAndSerialNumber, SignedData, SignerInfo } from 'pkijs'
import { describe, expect, test } from 'vitest'
import { authority, issue, type Issued } from '../testing/authority.ts'
import { refusal } from '../testing/scratch.ts'
import { Effort } from './effort.ts'
import { signerOf } from './timestamp-signer.ts'

const root = await authority('Time Root')
const signer = await issue({ subject: 'Time Authority', issuer: root })
const other = await issue({ subject: 'Time Authority', issuer: root })
const namesake = await sameSerial('Other Root', signer)

const missing = 'it does not contain the certificate of its signer'

/** A certificate with the serial number of another, by another authority. */
async function sameSerial(by: string, { fields }: Issued): Promise<Issued> {
  const made = await issue({ subject: 'Time Authority', issuer: await authority(by) })
  const changed = Certificate.fromBER(made.der)
  changed.serialNumber = fields.serialNumber
  // The signature does not matter here.
  changed.tbsView = new Uint8Array(changed.encodeTBS().toBER())
  const der = Buffer.from(changed.toSchema(true).toBER())
  return { ...made, der, fields: Certificate.fromBER(der) }
}

function keyId({ fields }: Issued): Uint8Array<ArrayBuffer> {
  const key = fields.subjectPublicKeyInfo.subjectPublicKey.valueBlock.valueHexView
  return Uint8Array.from(createHash('sha1').update(key).digest())
}

/** RFC 5652 5.3: an implicit octet string with the tag 0. */
function byKey(one: Issued): asn1js.BaseBlock {
  return new asn1js.Primitive({ idBlock: { tagClass: 3, tagNumber: 0 }, valueHex: keyId(one).buffer })
}

/** The form that pkijs reads, too. */
function byKeyWithin(...named: Issued[]): asn1js.BaseBlock {
  return new asn1js.Constructed({
    idBlock: { tagClass: 3, tagNumber: 0 },
    value: named.map((one) => new asn1js.OctetString({ valueHex: keyId(one).buffer })),
  })
}

function bySerial({ fields: { issuer, serialNumber } }: Issued): IssuerAndSerialNumber {
  return new IssuerAndSerialNumber({ issuer, serialNumber })
}

/** The signer that is found in a timestamp with these certificates, or among the given ones. */
async function found(sid: unknown, certificates: readonly Issued[], roots: readonly Issued[], effort = new Effort()) {
  const token = new SignedData({ signerInfos: [new SignerInfo({ sid })] })
  if (certificates.length > 0) token.certificates = certificates.map(({ fields }) => fields)
  const given = roots.map(({ der }) => der)
  return Buffer.from((await signerOf(token, given, effort)).toSchema().toBER())
}

describe.each([
  ['issuer and serial number', bySerial],
  ['key', byKey],
  ['key in a constructed form', byKeyWithin],
] as const)('the signer that a timestamp names by its %s', (_, named: (one: Issued) => unknown) => {
  test('is found in the timestamp', async () => {
    expect(await found(named(signer), [other, namesake, signer], [])).toEqual(signer.der)
  })

  test('is found among the given certificates, if the timestamp has others or none', async () => {
    expect(await found(named(signer), [], [root, other, namesake, signer])).toEqual(signer.der)
    expect(await found(named(signer), [other, root], [root, signer])).toEqual(signer.der)
  })

  test('must be somewhere', async () => {
    await expect(found(named(signer), [other, namesake], [root, other, namesake])).rejects.toThrow(missing)
    await expect(found(named(signer), [], [])).rejects.toThrow(missing)
  })

  test('is not looked for among the given certificates once the caller has aborted', async () => {
    const effort = new Effort(AbortSignal.abort())
    await expect(found(named(signer), [], [signer], effort)).rejects.toThrow(refusal('ABORTED'))
    expect(await found(named(signer), [signer], [], effort)).toEqual(signer.der)
  })
})

test('a certificate of the same authority with another serial number is another', async () => {
  const mixed = new IssuerAndSerialNumber({ issuer: root.fields.subject, serialNumber: other.fields.serialNumber })
  expect(await found(mixed, [signer, other], [])).toEqual(other.der)
  await expect(found(mixed, [signer], [signer])).rejects.toThrow(missing)
})

test('a serial number may begin with zeros', async () => {
  for (const bytes of [
    [0x00, 0x8f, 0xab],
    [0x0f, 0xab],
  ]) {
    const fields = Certificate.fromBER(signer.der)
    fields.serialNumber = new asn1js.Integer({ valueHex: Uint8Array.from(bytes).buffer })
    fields.tbsView = new Uint8Array(fields.encodeTBS().toBER())
    const der = Buffer.from(fields.toSchema(true).toBER())
    const issued = { ...signer, der, fields: Certificate.fromBER(der) }
    expect(await found(bySerial(issued), [], [signer, issued])).toEqual(der)
  }
})

test('a key that is not named at all, or by nothing, names no signer', async () => {
  await expect(found(byKeyWithin(), [signer], [signer])).rejects.toThrow(missing)
  await expect(found(new asn1js.Constructed(), [signer], [signer])).rejects.toThrow(missing)
  await expect(found(new asn1js.Primitive(), [signer], [signer])).rejects.toThrow(missing)
})

test('only the first key in a constructed form counts', async () => {
  expect(await found(byKeyWithin(other, signer), [signer, other], [])).toEqual(other.der)
})

test('an attribute certificate is no certificate of a signer', async () => {
  const token = new SignedData({ signerInfos: [new SignerInfo({ sid: bySerial(signer) })] })
  token.certificates = [new AttributeCertificateV2(), signer.fields]
  expect(await signerOf(token, [], new Effort())).toBe(signer.fields)
})
