import * as asn1js from 'asn1js'
import * as pkijs from 'pkijs'
import { expect, test } from 'vitest'
import { alternativeName, attributeOf, distinguishedName } from './distinguished-name.ts'

function name(...attributes: readonly (readonly [type: string, value: string | asn1js.AsnType])[]) {
  const values = attributes.map(([type, value]) => [
    new asn1js.ObjectIdentifier({ value: type }),
    typeof value === 'string' ? new asn1js.Utf8String({ value }) : value,
  ])
  const schema = new asn1js.Sequence({
    value: values.map((value) => new asn1js.Set({ value: [new asn1js.Sequence({ value })] })),
  })
  return new pkijs.RelativeDistinguishedNames({ schema: asn1js.fromBER(schema.toBER()).result })
}

const [COUNTRY, ORGANIZATION, COMMON_NAME] = ['2.5.4.6', '2.5.4.10', '2.5.4.3']

test.each([
  ['2.5.4.3', 'CN'],
  ['2.5.4.7', 'L'],
  ['2.5.4.8', 'ST'],
  ['2.5.4.10', 'O'],
  ['2.5.4.11', 'OU'],
  ['2.5.4.6', 'C'],
  ['2.5.4.9', 'STREET'],
  ['0.9.2342.19200300.100.1.25', 'DC'],
  ['0.9.2342.19200300.100.1.1', 'UID'],
])('the attribute %s is written as %s', (type, label) => {
  expect(distinguishedName(name([type, 'a']))).toBe(`${label}=a`)
})

test('attributes without a short name or text are written in DER', () => {
  expect(distinguishedName(name(['2.5.4.5', 'a']))).toBe('2.5.4.5=#0c0161')
  expect(distinguishedName(name([COMMON_NAME, new asn1js.Integer({ value: 7 })]))).toBe('2.5.4.3=#020107')
  const list = new asn1js.Sequence({ value: [new asn1js.Null()] })
  expect(distinguishedName(name([COMMON_NAME, list]))).toBe('2.5.4.3=#30020500')
  const [attribute] = name([COMMON_NAME, 'a']).typesAndValues
  expect(attribute && attributeOf(attribute)).toEqual({
    type: COMMON_NAME,
    text: 'a',
    der: Buffer.from('0c0161', 'hex'),
  })
})

test('the last attribute comes first', () => {
  const subject = name([COUNTRY, 'DE'], [ORGANIZATION, 'Acme'], [COMMON_NAME, 'a'])
  expect(distinguishedName(subject)).toBe('CN=a,O=Acme,C=DE')
  expect(distinguishedName(subject, 'C=DE\nO=Acme\nCN=a')).toBe('CN=a,O=Acme,C=DE')
  expect(distinguishedName(name())).toBe('')
  expect(distinguishedName(name(), '')).toBe('')
})

test('attributes that belong together stay together, as OpenSSL shows them', () => {
  const subject = name([COUNTRY, 'DE'], [ORGANIZATION, 'Acme'], [COMMON_NAME, 'a'])
  expect(distinguishedName(subject, 'C=DE\nO=Acme + CN=a')).toBe('O=Acme+CN=a,C=DE')
  expect(distinguishedName(subject, 'C=DE + O=Acme\nCN=a')).toBe('CN=a,C=DE+O=Acme')
  // If OpenSSL shows fewer, none is left out.
  expect(distinguishedName(subject, 'C=DE')).toBe('CN=a,O=Acme,C=DE')
  expect(distinguishedName(subject, 'C=DE\nO=Acme\nCN=a\nL=b')).toBe('CN=a,O=Acme,C=DE')
})

test.each([
  ['a,b+c"d\\e<f>g;h=i', 'a\\,b\\+c\\"d\\\\e\\<f\\>g\\;h\\=i'],
  ['a\0b\0', 'a\\00b\\00'],
  [' a b ', '\\ a b\\ '],
  ['a b#c', 'a b#c'],
  ['#a#', '\\#a#'],
])('escapes %j', (text, escaped) => {
  expect(distinguishedName(name([COMMON_NAME, text]))).toBe(`CN=${escaped}`)
})

const address = (...bytes: number[]) => new asn1js.OctetString({ valueHex: new Uint8Array(bytes).buffer })

test.each<[pkijs.GeneralNameParameters, string]>([
  [{ type: 1, value: 'a@b.org' }, 'email:a@b.org'],
  [{ type: 2, value: 'a.example' }, 'DNS:a.example'],
  [{ type: 6, value: 'https://a.example' }, 'URI:https://a.example'],
  [{ type: 4, value: name([ORGANIZATION, 'Acme'], [COMMON_NAME, 'a']) }, 'DirName:CN=a,O=Acme'],
  [{ type: 7, value: address(127, 0, 0, 1) }, 'IP:127.0.0.1'],
  [{ type: 7, value: address(0x20, 1, ...Array<number>(13).fill(0), 1) }, 'IP:2001:0000:0000:0000:0000:0000:0000:0001'],
  [{ type: 7, value: address(1, 2, 3, 4, 5) }, 'IP:0102:0304:05'],
  [{ type: 7, value: address() }, 'IP:'],
  [{ type: 8, value: '1.2.3' }, 'other:8'],
])('writes the name %s as %s', (name, written) => {
  expect(alternativeName(new pkijs.GeneralName(name))).toBe(written)
})
