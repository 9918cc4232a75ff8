import * as asn1js from 'asn1js'
import type { GeneralName } from 'pkijs'
import { describe, expect, test } from 'vitest'
import { authority, COMMON_NAME, ORGANIZATION } from '../../testing/authority.ts'
import { constrainedType, readConstraint, readName } from './constrained-names.ts'

const UTF8_MAILBOX = '1.3.6.1.5.5.7.8.9'
const [OTHER, EMAIL, DNS, DIRECTORY, URI, IP, REGISTERED] = [0, 1, 2, 4, 6, 7, 8]

/** An address is in hex, which names the test better. */
type Stated = readonly [type: number, value: unknown]

function general([type, value]: Stated): GeneralName {
  if (type !== IP) return { type, value } as unknown as GeneralName
  const bytes = new asn1js.OctetString({ valueHex: Uint8Array.from(Buffer.from(String(value), 'hex')).buffer })
  return { type, value: bytes } as unknown as GeneralName
}

const ip = (...bytes: number[]): Stated => [IP, Buffer.from(bytes).toString('hex')]

async function directory(...attributes: (readonly [string, string])[]): Promise<Stated> {
  return [DIRECTORY, (await authority(attributes)).fields.subject]
}

/** Whether a constraint covers a name, first as a permission, then as an exclusion. */
function covers(constraint: Stated, name: Stated): [boolean, boolean] {
  const [read, stated] = [readConstraint(general(constraint)), readName(general(name))]
  if (!read || !stated) return expect.fail('unreadable')
  return [read.covers(stated, false), read.covers(stated, true)]
}

const [both, neither, excludedOnly] = [
  [true, true],
  [false, false],
  [false, true],
]

describe('the kind of constraints for a name', () => {
  const otherName = (id: asn1js.AsnType) => new asn1js.Sequence({ value: [id] })

  test('is its own, but that of e-mail for an address in UTF-8', () => {
    expect(constrainedType(general([DNS, 'example.org']))).toBe(DNS)
    expect(constrainedType(general([REGISTERED, '1.2.3']))).toBe(REGISTERED)
    const mailbox = otherName(new asn1js.ObjectIdentifier({ value: UTF8_MAILBOX }))
    expect(constrainedType(general([OTHER, mailbox]))).toBe(EMAIL)
    expect(constrainedType(general([URI, mailbox]))).toBe(URI)
  })

  test('is its own if the kind of another name is missing, or no identifier', () => {
    const values = [
      otherName(new asn1js.ObjectIdentifier({ value: '1.3.6.1.5.5.7.8.5' })),
      new asn1js.Sequence(),
      otherName(new asn1js.Sequence()),
      {},
      { valueBlock: {} },
    ]
    for (const value of values) expect(constrainedType(general([OTHER, value]))).toBe(OTHER)
  })
})

describe('a name', () => {
  test.each<[string, Stated, object]>([
    ['an e-mail address', [EMAIL, 'Release@Example.org.'], { kind: EMAIL, local: 'Release', host: 'example.org' }],
    ['a host', [DNS, 'Models.example.ORG.'], { kind: DNS, host: 'models.example.org' }],
    ['a host of one label', [DNS, 'local_host-1'], { kind: DNS, host: 'local_host-1' }],
    ['a wildcard', [DNS, '*.example.org'], { kind: DNS, host: '*.example.org' }],
    ['a URI', [URI, 'HTTPS://Example.org'], { kind: URI, host: 'example.org' }],
    ['a URI with a path', [URI, 'https://example.org./a@evil.net'], { kind: URI, host: 'example.org' }],
    ['a URI with a query', [URI, 'https://example.org?a@evil.net'], { kind: URI, host: 'example.org' }],
    ['a URI with a fragment', [URI, 'https://example.org#a@evil.net'], { kind: URI, host: 'example.org' }],
    ['a URI with a user', [URI, 'ssh+git://a:b@example.org/x'], { kind: URI, host: 'example.org' }],
    ['a URI with a port', [URI, 'h2.0-x://example.org:8443/x'], { kind: URI, host: 'example.org' }],
    ['a URI with an empty user and port', [URI, 'https://@example.org:'], { kind: URI, host: 'example.org' }],
    [
      'a URI with a host that begins like an address',
      [URI, 'https://10.0.example/'],
      { kind: URI, host: '10.0.example' },
    ],
    ['a URI with a host that ends like an address', [URI, 'https://example.10/'], { kind: URI, host: 'example.10' }],
    ['an address of four bytes', ip(10, 0, 0, 1), { kind: IP, bytes: Uint8Array.of(10, 0, 0, 1) }],
    ['an address of sixteen bytes', ip(...Array<number>(16).fill(7)), { kind: IP, bytes: new Uint8Array(16).fill(7) }],
  ])('of the form of %s is read', (_, stated, expected) => {
    expect(readName(general(stated))).toEqual(expected)
  })

  test('of the form of a directory is read attribute by attribute, whatever its case and spaces', async () => {
    const name = readName(general(await directory([ORGANIZATION, '  ÉXAMPLE\t  ﬁ '], [COMMON_NAME, 'a'])))
    expect(name).toEqual({ kind: DIRECTORY, attributes: [`${ORGANIZATION}=éxample fi`, `${COMMON_NAME}=a`] })
  })

  test.each<[string, Stated]>([
    ['an e-mail address without host', [EMAIL, 'release']],
    ['an e-mail address with an empty host', [EMAIL, 'release@']],
    ['an e-mail address with an empty user', [EMAIL, '@example.org']],
    ['an e-mail address with two hosts', [EMAIL, 'a@b@example.org']],
    ['an e-mail address with a space before it', [EMAIL, ' a@example.org']],
    ['an e-mail address with a space in it', [EMAIL, 'a b@example.org']],
    ['an e-mail address with a user that is not ASCII', [EMAIL, 'aé@example.org']],
    ['an e-mail address with a host that is not ASCII', [EMAIL, 'a@éxample.org']],
    ['an empty host', [DNS, '']],
    ['a host with an empty label', [DNS, 'a..b']],
    ['a host with a leading dot', [DNS, '.example.org']],
    ['a host with two trailing dots', [DNS, 'example.org..']],
    ['a host with a space', [DNS, 'example.org ']],
    ['a host with a space before it', [DNS, ' example.org']],
    ['a host with a wildcard elsewhere', [DNS, 'a.*.example.org']],
    ['a host with a wildcard in a label', [DNS, 'a*.example.org']],
    ['two wildcards', [DNS, '*.*.example.org']],
    ['a wildcard alone', [DNS, '*']],
    ['a URI without a host', [URI, 'urn:example']],
    ['a URI without a scheme', [URI, '//example.org/']],
    ['a URI with a scheme that begins with a digit', [URI, '1http://example.org/']],
    ['a URI after something else', [URI, 'x https://example.org/']],
    ['a URI with an IPv4 address', [URI, 'https://10.0.0.1/']],
    ['a URI with an IPv6 address', [URI, 'https://[::1]/']],
    ['a URI with a backslash before its host', [URI, 'https://a\\@example.org/']],
    ['a URI with a host that another sign ends', [URI, 'https://example.org\\evil.net/']],
    ['a URI with a port that is no number', [URI, 'https://example.org:80a/']],
    ['a URI with a slash before its user ends', [URI, 'https://a/b@c d/']],
    ['a URI with two users', [URI, 'https://a@b@example.org/']],
    ['an address of three bytes', ip(10, 0, 0)],
    ['an address with a mask', ip(10, 0, 0, 0, 255, 0, 0, 0)],
    ['no bytes', ip()],
    ['an identifier', [REGISTERED, '1.2.3']],
    ['another name', [OTHER, new asn1js.Sequence()]],
  ])('of the form of %s is not read', (_, stated) => {
    const name = readName(general(stated))
    // The host of a URI ends at the first slash, whatever follows.
    if (stated[1] === 'https://a/b@c d/') expect(name).toEqual({ kind: URI, host: 'a' })
    else expect(name).toBeUndefined()
  })
})

describe('a constraint', () => {
  test.each<[Stated, Stated, boolean[] | undefined]>([
    [[DNS, 'example.org'], [DNS, 'example.org'], both],
    [[DNS, 'EXAMPLE.org.'], [DNS, 'a.b.example.ORG'], both],
    [[DNS, 'example.org'], [DNS, 'badexample.org'], neither],
    [[DNS, 'example.org'], [DNS, 'org'], neither],
    [[DNS, '.example.org'], [DNS, 'a.example.org'], both],
    [[DNS, '.example.org'], [DNS, 'example.org'], excludedOnly],
    [[DNS, '.example.org'], [DNS, 'badexample.org'], neither],
    [[DNS, ''], [DNS, 'example.org'], both],
    [[DNS, 'a.example.org'], [DNS, '*.example.org'], excludedOnly],
    [[DNS, 'a.b.example.org'], [DNS, '*.example.org'], excludedOnly],
    [[DNS, 'example.org'], [DNS, '*.example.org'], both],
    [[DNS, 'aexample.org'], [DNS, '*.example.org'], neither],
    [[DNS, 'a.example.net'], [DNS, '*.example.org'], neither],
    [[DNS, 'a.example.org'], [DNS, 'b.example.org'], neither],
    [[DNS, 'a.xexample.org'], [DNS, 'example.org'], neither],
    [[EMAIL, 'example.org'], [EMAIL, 'a@example.org'], both],
    [[EMAIL, 'Example.org.'], [EMAIL, 'a@example.ORG'], both],
    [[EMAIL, 'example.org'], [EMAIL, 'a@b.example.org'], neither],
    [[EMAIL, '.example.org'], [EMAIL, 'a@b.example.org'], both],
    [[EMAIL, '.example.org'], [EMAIL, 'a@example.org'], neither],
    [[EMAIL, 'a@example.org'], [EMAIL, 'a@EXAMPLE.org'], both],
    [[EMAIL, 'a@example.org'], [EMAIL, 'A@example.org'], neither],
    [[EMAIL, 'a@example.org'], [EMAIL, 'a@example.net'], neither],
    [[EMAIL, 'a@example.org'], [EMAIL, 'b@example.org'], neither],
    [[URI, 'example.org'], [URI, 'https://example.org/'], both],
    [[URI, 'example.org'], [URI, 'https://a.example.org/'], neither],
    [[URI, '.example.org'], [URI, 'https://a.example.org/'], both],
    [[URI, '.example.org'], [URI, 'https://example.org/'], neither],
    // A constraint of one kind covers no name of another.
    [[URI, 'example.org'], [DNS, 'example.org'], neither],
    [[DNS, 'example.org'], [URI, 'https://example.org/'], neither],
    [[EMAIL, 'example.org'], [DNS, 'example.org'], neither],
    [[DNS, ''], ip(10, 0, 0, 1), neither],
    [ip(0, 0, 0, 0, 0, 0, 0, 0), [DNS, 'example.org'], neither],
    // One of a kind that cannot be compared covers nothing.
    [[REGISTERED, '1.2.3'], [DNS, 'example.org'], neither],
    [[OTHER, 'example.org'], [DNS, 'example.org'], neither],
    [ip(10, 0, 0, 0, 255, 0, 0, 0), ip(10, 1, 2, 3), both],
    [ip(10, 9, 9, 9, 255, 0, 0, 0), ip(10, 1, 2, 3), both],
    [ip(10, 0, 0, 0, 255, 0, 0, 0), ip(11, 0, 0, 0), neither],
    [ip(10, 0, 0, 1, 255, 255, 255, 255), ip(10, 0, 0, 1), both],
    [ip(10, 0, 0, 1, 255, 255, 255, 255), ip(10, 0, 0, 2), neither],
    [ip(10, 0, 0, 1, 255, 255, 255, 255), ip(11, 0, 0, 1), neither],
    [ip(10, 0, 0, 128, 255, 255, 255, 128), ip(10, 0, 0, 129), both],
    [ip(10, 0, 0, 128, 255, 255, 255, 128), ip(10, 0, 0, 127), neither],
  ])('%j covers %j: %j', (constraint, name, expected) => {
    expect(covers(constraint, name)).toEqual(expected)
  })

  const v6 = (first: number[], rest: number[]) => [
    ...first,
    ...Array<number>(16 - first.length - rest.length).fill(0),
    ...rest,
  ]

  test('of an address excludes the same address in IPv6, too', () => {
    const ten = ip(10, 0, 0, 0, 255, 0, 0, 0)
    expect(covers(ten, ip(...v6([], [0xff, 0xff, 10, 1, 2, 3])))).toEqual(excludedOnly)
    expect(covers(ten, ip(...v6([], [0xff, 0xff, 11, 1, 2, 3])))).toEqual(neither)
    for (const [first, rest] of [
      [[], [0xff, 0xfe, 10, 1, 2, 3]],
      [[], [0xfe, 0xff, 10, 1, 2, 3]],
      [[1], [0xff, 0xff, 10, 1, 2, 3]],
      [[], [1, 0xff, 0xff, 10, 1, 2, 3]],
      [[], [10, 1, 2, 3]],
    ] as const)
      expect(covers(ten, ip(...v6([...first], [...rest])))).toEqual(neither)
  })

  test('of an IPv6 address covers those of its range, and no IPv4 address', () => {
    const range = ip(...v6([0x20, 1], []), ...v6([255, 255], []))
    expect(covers(range, ip(...v6([0x20, 1], [7])))).toEqual(both)
    expect(covers(range, ip(...v6([0x20, 2], [7])))).toEqual(neither)
    expect(covers(range, ip(0x20, 1, 0, 0))).toEqual(neither)
    const all = ip(...v6([], []), ...v6([], []))
    for (const address of [ip(10, 0, 0, 1), ip(0, 0, 0, 0)]) expect(covers(all, address)).toEqual(neither)
  })

  test('of a directory covers names that begin with its attributes', async () => {
    const [O, CN] = [ORGANIZATION, COMMON_NAME]
    const base = await directory([O, 'Example Inc'], [CN, 'Models'])
    const outcome = async (...name: (readonly [string, string])[]) => covers(base, await directory(...name))
    expect(await outcome([O, 'example  INC'], [CN, ' models'])).toEqual(both)
    expect(await outcome([O, 'Example Inc'], [CN, 'Models'], [CN, 'Release'])).toEqual(both)
    expect(await outcome([O, 'Example Inc'])).toEqual(neither)
    expect(await outcome([O, 'Example Inc'], [CN, 'Model'])).toEqual(neither)
    expect(await outcome([CN, 'Models'], [O, 'Example Inc'])).toEqual(neither)
    expect(await outcome([O, 'ExampleInc'], [CN, 'Models'])).toEqual(neither)
    expect(covers(base, [DNS, 'example.org'])).toEqual(neither)
  })

  test('of a directory compares attributes that are no text by their bytes', async () => {
    const withBytes = async (...bytes: number[]) => {
      const { fields } = await authority([[ORGANIZATION, 'Example']])
      const [attribute] = fields.subject.typesAndValues
      const value = new asn1js.OctetString({ valueHex: Uint8Array.from(bytes).buffer })
      if (attribute) attribute.value = asn1js.fromBER(value.toBER()).result as never
      return [DIRECTORY, fields.subject] as const
    }
    expect(covers(await withBytes(1, 2), await withBytes(1, 2))).toEqual(both)
    expect(covers(await withBytes(1, 2), await withBytes(1, 3))).toEqual(neither)
  })

  test.each<[string, Stated]>([
    ['a host with an empty label', [DNS, 'a..b']],
    ['a host with two leading dots', [DNS, '..example.org']],
    ['a host with a wildcard', [DNS, '*.example.org']],
    ['a host with a space', [DNS, 'example.org ']],
    ['a host with a space before it', [DNS, ' example.org']],
    ['a dot', [URI, '.']],
    ['an empty host of e-mail addresses', [EMAIL, '']],
    ['an empty host of URIs', [URI, '']],
    ['a URI', [URI, 'https://example.org/']],
    ['an e-mail address without user', [EMAIL, '@example.org']],
    ['an e-mail address with a leading dot', [EMAIL, 'a@.example.org']],
    ['an e-mail address with two hosts', [EMAIL, 'a@b@example.org']],
    ['an address without mask', ip(10, 0, 0, 1)],
    ['an address with half a mask', ip(10, 0, 0, 0, 255, 0)],
    ['an address with a mask that has gaps', ip(10, 0, 0, 0, 255, 0, 255, 0)],
    ['an address with a mask that begins with zeros', ip(10, 0, 0, 0, 0, 255, 255, 255)],
    ['an address with a mask that has gaps within a byte', ip(10, 0, 0, 0, 255, 0b1010_0000, 0, 0)],
    ['an address with a mask of ones after zeros in a byte', ip(10, 0, 0, 0, 1, 0, 0, 0)],
    ['no bytes', ip()],
  ])('in the form of %s is malformed', (_, stated) => {
    expect(readConstraint(general(stated))).toBeUndefined()
  })

  test('is not looked up among what all objects inherit', () => {
    const constraint = readConstraint(general(['toString' as never, '']))
    expect(constraint?.covers({ kind: 2, host: 'example.org' }, true)).toBe(false)
  })
})
