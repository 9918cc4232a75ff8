import * as asn1js from 'asn1js'
import * as pkijs from 'pkijs'
import { describe, expect, test } from 'vitest'
import { extension, issue, type Name } from '../testing/authority.ts'
import { readNameExtensions } from './name-extensions.ts'

const [NAMES, CONSTRAINTS] = ['2.5.29.17', '2.5.29.30']

/** What is read from one extension with this content. */
async function read(id: string, content: asn1js.AsnType | Buffer): Promise<unknown> {
  const extnValue = Buffer.isBuffer(content) ? new Uint8Array(content).buffer : content.toBER()
  const fields = new pkijs.Certificate()
  fields.extensions = [new pkijs.Extension({ extnID: id, critical: false, extnValue })]
  await readNameExtensions(fields)
  return fields.extensions[0]?.parsedValue
}

function host(name: string): asn1js.AsnType {
  return new asn1js.Primitive({
    idBlock: { tagClass: 3, tagNumber: 2 },
    valueHex: new Uint8Array(Buffer.from(name)).buffer,
  })
}

function list(tagNumber: number, ...names: string[]): asn1js.Constructed {
  const value = names.map((name) => new asn1js.Sequence({ value: [host(name)] }))
  return new asn1js.Constructed({ idBlock: { tagClass: 3, tagNumber }, value })
}

const sequence = (...value: asn1js.AsnType[]) => new asn1js.Sequence({ value })
const hosts = (count: number) => Array.from({ length: count }, (_, index) => host(`${index}.example`))
const valuesOf = (subtrees: pkijs.GeneralSubtree[] | undefined) => subtrees?.map(({ base }) => base.value as unknown)

describe('alternative names', () => {
  test('are read in their order', async () => {
    const names = (await read(NAMES, sequence(host('a.example'), host('b.example')))) as pkijs.AltName
    expect(names.altNames.map(({ type, value }) => [type, value as unknown])).toEqual([
      [2, 'a.example'],
      [2, 'b.example'],
    ])
  })

  test('may be 255, but not more', async () => {
    expect(((await read(NAMES, sequence(...hosts(255)))) as pkijs.AltName).altNames).toHaveLength(255)
    await expect(read(NAMES, sequence(...hosts(256)))).rejects.toThrow(
      'the extension 2.5.29.17 is malformed or too long: Maximum ASN.1 node count exceeded',
    )
  })

  test.each<[string, asn1js.AsnType | Buffer]>([
    ['no sequence', new asn1js.Set({ value: [host('a.example')] })],
    ['a sequence and more', Buffer.concat([Buffer.from(sequence(host('a.example')).toBER()), Buffer.alloc(2)])],
    ['truncated', Buffer.from([0x30, 0x03, 0x82])],
    ['nothing', Buffer.alloc(0)],
  ])('are refused if they are %s', async (_, content) => {
    await expect(read(NAMES, content)).rejects.toThrow('the extension 2.5.29.17 is malformed or too long')
    await expect(read(CONSTRAINTS, content)).rejects.toThrow('the extension 2.5.29.30 is malformed or too long')
  })

  test('are refused if one of them is no name', async () => {
    await expect(read(NAMES, sequence(host('a.example'), new asn1js.Integer({ value: 1 })))).rejects.toThrow()
  })
})

describe('name constraints', () => {
  test.each<[string, asn1js.AsnType[], string[] | undefined, string[] | undefined]>([
    ['permitted names', [list(0, 'a.example', 'b.example')], ['a.example', 'b.example'], undefined],
    ['excluded names', [list(1, 'a.example')], undefined, ['a.example']],
    ['both', [list(0, 'a.example'), list(1, 'b.example')], ['a.example'], ['b.example']],
    ['neither', [], undefined, undefined],
  ])('may be %s', async (_, lists, permitted, excluded) => {
    const constraints = (await read(CONSTRAINTS, sequence(...lists))) as pkijs.NameConstraints
    expect(constraints).toBeInstanceOf(pkijs.NameConstraints)
    expect(valuesOf(constraints.permittedSubtrees)).toEqual(permitted)
    expect(valuesOf(constraints.excludedSubtrees)).toEqual(excluded)
  })

  const application = new asn1js.Constructed({ idBlock: { tagClass: 2, tagNumber: 0 }, value: [] })
  test.each<[string, asn1js.AsnType[]]>([
    ['an unknown list', [list(2, 'a.example')]],
    ['a list that is repeated', [list(0, 'a.example'), list(0, 'b.example')]],
    ['excluded names twice', [list(1, 'a.example'), list(1, 'b.example')]],
    ['excluded names before permitted ones', [list(1, 'a.example'), list(0, 'b.example')]],
    ['a list of another class', [application]],
    ['a text in place of a list', [new asn1js.Primitive({ idBlock: { tagClass: 3, tagNumber: 0 } })]],
  ])('are refused with %s', async (_, lists) => {
    await expect(read(CONSTRAINTS, sequence(...lists))).rejects.toThrow('the name constraints are malformed')
  })

  test('are refused if one of them is no name', async () => {
    const wrong = new asn1js.Constructed({ idBlock: { tagClass: 3, tagNumber: 0 }, value: [host('a.example')] })
    await expect(read(CONSTRAINTS, sequence(wrong))).rejects.toThrow()
  })
})

test('other extensions are not read, and a certificate may have none', async () => {
  const other = extension('2.5.29.18', false, sequence(host('a.example')))
  const fields = new pkijs.Certificate()
  await readNameExtensions(fields)
  fields.extensions = [other]
  await readNameExtensions(fields)
  expect((other.parsedValue as pkijs.AltName).altNames).toHaveLength(1)
  const names: Name[] = [[2, 'a.example']]
  const both = (await issue({ subject: 'Root', ca: true, names, permitted: names })).fields
  await readNameExtensions(both)
  const values = both.extensions?.map(({ parsedValue }) => parsedValue as unknown) ?? []
  expect(values.filter((value) => value instanceof pkijs.AltName)).toHaveLength(1)
  expect(values.filter((value) => value instanceof pkijs.NameConstraints)).toHaveLength(1)
})
