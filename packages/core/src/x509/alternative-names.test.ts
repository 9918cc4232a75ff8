import * as asn1js from 'asn1js'
import * as pkijs from 'pkijs'
import { expect, test } from 'vitest'
import { alternativeNames, isUnreadable, writtenName } from './alternative-names.ts'
import { extension, issue, ORGANIZATION } from '../testing/authority.ts'
import { parseCertificate } from './certificate.ts'

const OID = '1.3.6.1.4.1.57264.1.7'

function primitive(tagNumber: number, bytes: Uint8Array | string): asn1js.Primitive {
  return new asn1js.Primitive({
    idBlock: { tagClass: 3, tagNumber },
    valueHex: new Uint8Array(Buffer.from(bytes)).slice().buffer,
  })
}

function otherName(value: asn1js.AsnType, type = OID): asn1js.Constructed {
  return new asn1js.Constructed({
    idBlock: { tagClass: 3, tagNumber: 0 },
    value: [
      new asn1js.ObjectIdentifier({ value: type }),
      new asn1js.Constructed({ idBlock: { tagClass: 3, tagNumber: 0 }, value: [value] }),
    ],
  })
}

async function written(...names: asn1js.AsnType[]): Promise<string[]> {
  const extensions = [extension('2.5.29.17', false, new asn1js.Sequence({ value: names }))]
  const { der } = await issue({ subject: 'Signer', extensions })
  return (await alternativeNames(await parseCertificate(der))).map(writtenName)
}

/** What is read from an extension that only `alternativeNames()` reads. */
async function readFrom(content: Uint8Array): Promise<string[]> {
  const fields = new pkijs.Certificate()
  fields.extensions = [new pkijs.Extension({ extnID: '2.5.29.17', extnValue: new Uint8Array(content).buffer })]
  return (
    await alternativeNames({ ...(await parseCertificate((await issue({ subject: 'Signer' })).der)), fields })
  ).map(writtenName)
}

function universal(tagNumber: number, bytes: Uint8Array | string): asn1js.Primitive {
  return new asn1js.Primitive({
    idBlock: { tagClass: 1, tagNumber },
    valueHex: new Uint8Array(Buffer.from(bytes)).slice().buffer,
  })
}

test.each<[string, () => asn1js.AsnType, string]>([
  ['an e-mail address', () => primitive(1, 'a@acme.example'), 'email:a@acme.example'],
  ['an e-mail address in UTF-8', () => primitive(1, 'mülläß@acme.example'), 'email:mülläß@acme.example'],
  ['a URI in UTF-8', () => primitive(6, 'https://a.example/ü'), 'URI:https://a.example/ü'],
  ['a host', () => primitive(2, 'a.example'), 'DNS:a.example'],
  ['an IPv4 address', () => primitive(7, Buffer.from([127, 0, 0, 1])), 'IP:127.0.0.1'],
  ['an IPv6 address', () => primitive(7, Buffer.alloc(16, 1)), `IP:${Array<string>(8).fill('0101').join(':')}`],
  [
    'a user name of Fulcio',
    () => otherName(new asn1js.Utf8String({ value: 'mallory!acme.example' })),
    `otherName:${OID}:mallory!acme.example`,
  ],
  [
    'a user name in UTF-8',
    () => otherName(new asn1js.Utf8String({ value: 'mü!acme.example' })),
    `otherName:${OID}:mü!acme.example`,
  ],
  [
    'a user name as BMPString',
    () => otherName(new asn1js.BmpString({ value: 'mü!acme.example' })),
    `otherName:${OID}:mü!acme.example`,
  ],
  [
    'a user name as IA5String',
    () => otherName(new asn1js.IA5String({ value: 'm!acme.example' })),
    `otherName:${OID}:m!acme.example`,
  ],
  ['a user name as PrintableString', () => otherName(new asn1js.PrintableString({ value: 'm' })), `otherName:${OID}:m`],
  [
    'another kind of other name',
    () => otherName(new asn1js.Utf8String({ value: 'm@acme' }), '1.3.6.1.4.1.311.20.2.3'),
    'otherName:1.3.6.1.4.1.311.20.2.3:m@acme',
  ],
  [
    'a byte order mark, which is no part of another name',
    () => primitive(1, '\ufeffa@acme.example'),
    'email:\ufeffa@acme.example',
  ],
  ['one in a BMPString', () => otherName(new asn1js.BmpString({ value: '\ufeffa' })), `otherName:${OID}:\ufeffa`],
  [
    'a directory name',
    () => {
      const name = [
        ['2.5.4.6', 'DE'],
        [ORGANIZATION, 'Acme'],
      ].map(
        ([type, value]) =>
          new asn1js.Set({
            value: [
              new asn1js.Sequence({
                value: [
                  new asn1js.ObjectIdentifier({ value: type ?? '' }),
                  new asn1js.Utf8String({ value: value ?? '' }),
                ],
              }),
            ],
          }),
      )
      return new asn1js.Constructed({
        idBlock: { tagClass: 3, tagNumber: 4 },
        value: [new asn1js.Sequence({ value: name })],
      })
    },
    'DirName:O=Acme,C=DE',
  ],
])('reads %s', async (_, name, expected) => {
  expect(await written(name())).toEqual([expected])
  expect(await written(primitive(2, 'first.example'), name())).toEqual(['DNS:first.example', expected])
})

test.each<[string, () => asn1js.AsnType]>([
  ['a zero byte', () => primitive(1, 'mallory@acme.example\0.evil')],
  ['a line break', () => primitive(6, 'https://a.example/\nx')],
  ['Latin-1', () => primitive(1, Buffer.from('müller@acme.example', 'latin1'))],
  ['nothing', () => primitive(1, '')],
  ['an IP address of the wrong length', () => primitive(7, Buffer.alloc(5))],
  ['a zero byte in an otherName', () => otherName(new asn1js.Utf8String({ value: 'a\0b' }))],
  ['a number', () => otherName(new asn1js.Integer({ value: 7 }))],
  ['a list', () => otherName(new asn1js.Sequence({ value: [new asn1js.Utf8String({ value: 'a' })] }))],
  ['a text that is not ASCII in a PrintableString', () => otherName(universal(19, 'aü'))],
  ['a tag of its own for the text', () => otherName(primitive(12, 'a'))],
  [
    'two values',
    () => {
      const values = new asn1js.Constructed({
        idBlock: { tagClass: 3, tagNumber: 0 },
        value: [universal(12, 'a'), universal(12, 'b')],
      })
      return new asn1js.Constructed({
        idBlock: { tagClass: 3, tagNumber: 0 },
        value: [new asn1js.ObjectIdentifier({ value: OID }), values],
      })
    },
  ],
  [
    'more than a value',
    () => {
      const name = otherName(universal(12, 'a'))
      name.valueBlock.value.push(universal(5, ''))
      return name
    },
  ],
  ['half of a surrogate pair', () => otherName(new asn1js.BmpString({ value: '\ud800' }))],
])('treats a name with %s as unreadable', async (_, name) => {
  expect(await written(name())).toEqual([expect.stringMatching(/^unreadable:#[0-9a-f]+$/)])
})

test('returns no names if there is no extension', async () => {
  expect(await alternativeNames(await parseCertificate((await issue({ subject: 'Signer' })).der))).toEqual([])
})

test('says whether a name is unreadable', () => {
  expect(isUnreadable('unreadable:#00')).toBe(true)
  expect(isUnreadable('email:unreadable:@acme.example')).toBe(false)
})

test('takes what is no list of names, or is not read to its end, for one unreadable name', async () => {
  const names = Buffer.from(new asn1js.Sequence({ value: [primitive(2, 'a.example')] }).toBER())
  expect(await readFrom(names)).toEqual(['DNS:a.example'])
  for (const other of [
    Buffer.concat([names, Buffer.alloc(2)]),
    Buffer.from('3000', 'hex'),
    Buffer.from('020107', 'hex'),
  ])
    expect(await readFrom(other)).toEqual([`unreadable:#${other.toString('hex')}`])
  const text = Buffer.from(new asn1js.Sequence({ value: [universal(2, 'a.example')] }).toBER())
  expect(await readFrom(text)).toEqual([`unreadable:#${text.subarray(2).toString('hex')}`])
  const long = Buffer.from(new asn1js.Sequence({ value: [primitive(3, 'a'.repeat(100))] }).toBER())
  expect(await readFrom(long)).toEqual([`unreadable:#${long.subarray(2, 66).toString('hex')}`])
})

test('returns no names of a certificate without extensions', async () => {
  const certificate = await parseCertificate((await issue({ subject: 'Signer' })).der)
  delete certificate.fields.extensions
  expect(await alternativeNames(certificate)).toEqual([])
})
