import { describe, expect, test } from 'vitest'
import { refusal } from '../../../testing/scratch.ts'
import { faultsIn } from '../kind.ts'
import { JsonLdContext, JsonLdNode } from './json-ld.ts'

const fault = faultsIn('ATTESTATION_INPUT', 'Cannot make a card', 'croissant.json')
const VOCABULARY = { '@vocab': 'https://schema.org/' }
const ELSEWHERE = { '@vocab': 'https://other.example/' }

const node = (properties: Readonly<Record<string, unknown>>, context: unknown = VOCABULARY) =>
  new JsonLdNode(properties, new JsonLdContext(context, fault), fault)
/** The names that a document gives its dataset. */
const names = (properties: Readonly<Record<string, unknown>>, context?: unknown) =>
  node(properties, context).texts('sc:name', 10)
const refused = (path: string, expected: string, found: string) =>
  refusal('ATTESTATION_INPUT', { message: expect.stringContaining(`"${path}"`) as string, expected, found })

/** Terms, each defined by the next, and the last by a prefix: `t1` takes as many steps as are given. */
const chain = (steps: number) =>
  Object.fromEntries(
    Array.from({ length: steps - 1 }, (_, index) => [
      `t${index + 1}`,
      index === steps - 2 ? 'sc:name' : `t${index + 2}`,
    ]),
  )

describe('the context of a JSON-LD document', () => {
  test.each<[what: string, context: unknown, name: string]>([
    ['a vocabulary', VOCABULARY, 'name'],
    ['the address of schema.org', 'https://schema.org', 'name'],
    ['the address of Croissant', 'http://mlcommons.org/croissant/1.0', 'name'],
    ['the usual prefix', ELSEWHERE, 'sc:name'],
    ['the prefix of schema.org', ELSEWHERE, 'schema:name'],
    ['an own prefix', { ...ELSEWHERE, my: 'http://schema.org/' }, 'my:name'],
    ['no prefix, but the whole name', ELSEWHERE, 'https://schema.org/name'],
    ['the whole name in the former scheme', ELSEWHERE, 'http://schema.org/name'],
    ['a prefix that is also the scheme of the name', { http: 'https://other.example/' }, 'http://schema.org/name'],
    ['a term', { title: 'https://schema.org/name' }, 'title'],
    ['a term with its type', { title: { '@id': 'sc:name', '@type': '@id' } }, 'title'],
    ['a term that is defined by itself', { 'sc:name': { '@id': 'sc:name', '@language': 'en' } }, 'sc:name'],
    ['a term that only has a type', { ...VOCABULARY, name: { '@type': '@id' } }, 'name'],
    ['a term with a prefix that only has a type', { 'sc:name': { '@type': '@id' } }, 'sc:name'],
    ['a term whose first definition is replaced', [{ name: null }, { name: {} }], 'name'],
    ['terms that are defined by others', chain(4), 't1'],
    ['a term whose prefix a later context replaces', [{ p: 'sc:', t: 'p:name' }, { p: ELSEWHERE['@vocab'] }], 't'],
    ['a term in a vocabulary that a later context replaces', [{ ...VOCABULARY, name: {} }, ELSEWHERE], 'name'],
    ['a prefix that is a term', { ...ELSEWHERE, p: 'sc' }, 'p:name'],
    ['a prefix that is defined by others in any order', { t: 'q:me', q: 'p:na', p: 'schema:' }, 't'],
    ['a term that a later context uses', [{ ...ELSEWHERE, p: 'https://schema.org/' }, { t: 'p:name' }], 't'],
    ['a term as long as an address', { 'https://schema.org/': 'x'.repeat(8_192) }, 'name'],
  ])('gives a name its meaning by %s', (_, context, name) => {
    expect(names({ [name]: 'x' }, context)).toEqual(['x'])
  })

  test.each<[what: string, context: unknown, name: string]>([
    ['in another vocabulary', ELSEWHERE, 'name'],
    ['without a vocabulary', { '@vocab': null }, 'name'],
    ['with a prefix that nothing defines', VOCABULARY, 'na:me'],
    ['in a vocabulary that is not a text', { '@vocab': ['https://schema.org/'] }, 'name'],
    ['without a meaning', { name: null }, 'name'],
    ['whose address is null', { name: { '@id': null } }, 'name'],
    ['without a meaning, in any vocabulary', { '@vocab': 'https://schema.org/name', title: null }, 'title'],
    ['with a prefix without a meaning', { my: null }, 'my:name'],
    ['with a prefix that is not known', VOCABULARY, 'my:name'],
    ['with an empty prefix', { '': 'https://schema.org/' }, ':name'],
    ['that begins with a prefix, without a colon', { ...ELSEWHERE, nam: 'https://schema.org/' }, 'name'],
    ['of what has the value, in place of a value', { name: { '@reverse': 'sc:about' } }, 'name'],
    ['of a term whose first definition is replaced', [ELSEWHERE, { name: 'sc:name' }, { name: {} }], 'name'],
    ['of a term that is defined by a keyword', { title: '@title', '@title': 'sc:name' }, 'title'],
    ['of a prefix that a later context replaces', [{ p: 'sc:' }, { p: ELSEWHERE['@vocab'] }], 'p:name'],
    ['of a term whose prefix only a later context defines', [{ t: 'p:name' }, { p: 'sc:' }], 't'],
    ['of a name that is longer than an address', { p: `sc:${'x'.repeat(8_170)}` }, `p:${'x'.repeat(20)}`],
    ['of a prefix that is defined by itself', { ...ELSEWHERE, p: 'p:x' }, 'p:name'],
    ['of terms that are defined by too many others', chain(5), 't1'],
    ['of terms that are defined by each other', { title: 'heading', heading: 'title' }, 'title'],
    ['that only contains the address', VOCABULARY, 'https://other.example/http://schema.org/name'],
  ])('gives a name no meaning %s', (_, context, name) => {
    expect(names({ [name]: 'x' }, context)).toEqual([])
  })

  test('gives a name of at most 8192 characters a meaning', () => {
    const termOf = (count: number) =>
      new JsonLdContext({ p: `sc:${'x'.repeat(8_000)}` }, fault).termOf(`p:${'x'.repeat(count)}`)
    const longest = 8_192 - 'https://schema.org/'.length
    expect(termOf(longest - 8_000)).toBe(`sc:${'x'.repeat(longest)}`)
    expect(termOf(longest - 7_999)).toBeUndefined()
  })

  test('gives a name without a prefix its meaning in Croissant', () => {
    const { citeAs, conformsTo } = { citeAs: 'x', conformsTo: { '@id': 'y' } }
    expect(node({ citeAs, conformsTo }).texts('cr:citeAs', 10)).toEqual(['x'])
    expect(node({ citeAs, conformsTo }).texts('dct:conformsTo', 10)).toEqual(['y'])
    expect(node({ 'http://mlcommons.org/croissant/RAI/x': 'z' }).texts('rai:x', 10)).toEqual(['z'])
  })

  test.each<[context: unknown, found: string]>([
    ['https://other.example/https://schema.org/', '"https://other.example/https://schema.org/"'],
    ['https://schema.org.other.example/', '"https://schema.org.other.example/"'],
    ['http://mlcommons.org/other', '"http://mlcommons.org/other"'],
    [[['https://schema.org/']], 'an array'],
    [[VOCABULARY, null], 'null'],
    [undefined, 'nothing'],
  ])('is refused if it is %j', (context, found) => {
    expect(() => new JsonLdContext(context, fault)).toThrow(
      refused('@context', 'an object, or a context of Croissant or schema.org', found),
    )
  })

  test('is refused for a term that is longer than an address', () => {
    for (const term of ['x'.repeat(8_193), { '@id': 'x'.repeat(8_193) }])
      expect(() => new JsonLdContext({ term }, fault)).toThrow(
        refused('@context', 'terms of at most 8192 characters', '"8193 characters"'),
      )
  })
})

describe('an object of a JSON-LD document', () => {
  test.each<[type: unknown, isDataset: boolean]>([
    ['sc:Dataset', true],
    ['Dataset', true],
    [['sc:CreativeWork', 'sc:Dataset'], true],
    [[7, null, 'sc:Dataset', 'sc:CreativeWork'], true],
    ['sc:CreativeWork', false],
    ['@base', false],
    ['base@', false],
    [7, false],
    [undefined, false],
    [[['sc:Dataset']], false],
  ])('of the type %j is a dataset: %j', (type, isDataset) => {
    const context = { ...VOCABULARY, '@base': 'sc:Dataset' }
    expect(node({ '@type': type }, context).isA('sc:Dataset')).toBe(isDataset)
  })

  test('has at most 1000 types, and at most 1000 values of a property', () => {
    const many = (count: number) => node({ '@type': Array(count).fill('Dataset'), name: Array(count).fill('x') })
    expect(many(1_000).isA('sc:Dataset')).toBe(true)
    expect(many(1_000).texts('sc:name', 10)).toHaveLength(1_000)
    const tooMany = (path: string) => refused(path, 'at most 1000 values', '"1001 values"') as Error
    expect(() => many(1_001).isA('sc:Dataset')).toThrow(tooMany('@type'))
    expect(() => many(1_001).texts('sc:name', 10)).toThrow(tooMany('name'))
  })

  test.each<[value: unknown, expected: readonly string[]]>([
    ['x', ['x']],
    [
      ['x', 'y'],
      ['x', 'y'],
    ],
    [[null, 'x'], ['x']],
    [null, []],
    [undefined, []],
    [{ '@value': 'x', '@language': 'en' }, ['x']],
    [{ '@id': 'x' }, ['x']],
    ['0123456789', ['0123456789']],
    ['a\tb\r\nc', ['a\tb\r\nc']],
  ])('has texts: those of %j are %j', (name, expected) => {
    expect(names({ name, undefined: 'y' })).toEqual(expected)
  })

  test.each<[value: unknown, path: string, expected: string, found: string]>([
    ['', 'name', 'a text', '""'],
    [7, 'name', 'a text', '7'],
    [['x', false], 'name[1]', 'a text', 'false'],
    [{ name: 'x' }, 'name', 'a text', 'an object'],
    [{ '@value': 7 }, 'name', 'a text', '7'],
    ['0123456789a', 'name', 'a text of at most 10 characters', '"11 characters"'],
    ['x\u0000', 'name', 'a text without control characters', String.raw`"x\u{0}"`],
  ])('is refused for texts like %j', (name, path, expected, found) => {
    expect(() => names({ name })).toThrow(refused(path, expected, found))
  })

  test('has only one property with a meaning', () => {
    expect(() => names({ name: 'x', 'sc:name': 'x' })).toThrow(
      refused('name', 'one property with this meaning', '"name and sc:name"'),
    )
  })

  test('has at most one value where one is asked for', () => {
    expect(node({ name: ['x'] }).text('sc:name', 10)).toBe('x')
    expect(node({}).text('sc:name', 10)).toBeUndefined()
    expect(() => node({ name: ['x', 'y'] }).text('sc:name', 10)).toThrow(refused('name', 'one value', '"2 values"'))
  })

  test.each<[value: unknown, thing: object]>([
    ['Ada', { name: 'Ada' }],
    ['http://ada.example', { url: 'http://ada.example' }],
    ['HTTPS://ada.example', { url: 'HTTPS://ada.example' }],
    ['see https://ada.example', { name: 'see https://ada.example' }],
    [{ '@value': 'Ada' }, { name: 'Ada' }],
    [
      { name: 'Ada', '@id': 'x' },
      { name: 'Ada', url: 'x' },
    ],
    [{ url: 'y', '@id': 'x' }, { url: 'y' }],
    [{ 'prov:label': 'Ada' }, { name: 'Ada' }],
    [{ name: 'Ada', 'prov:label': 'A' }, { name: 'Ada' }],
  ])('has things: that of %j is %j', (creator, thing) => {
    expect(node({ creator }).things('sc:creator', 30)).toStrictEqual([thing])
  })

  test.each<[value: unknown, path: string, expected: string, found: string]>([
    [{}, 'creator', 'a text, or an object with a name', 'an object'],
    [[{ '@id': 'x' }, { '@type': 'sc:Person' }], 'creator[1]', 'a text, or an object with a name', 'an object'],
    [{ '@id': 7 }, 'creator.@id', 'a text', '7'],
    [{ '@id': '0123456789a' }, 'creator.@id', 'a text of at most 10 characters', '"11 characters"'],
    [{ name: 7 }, 'creator.name', 'a text', '7'],
    [{ '@value': 7 }, 'creator', 'a text', '7'],
    [7, 'creator', 'a text', '7'],
  ])('is refused for things like %j', (creator, path, expected, found) => {
    expect(() => node({ creator }).things('sc:creator', 10)).toThrow(refused(path, expected, found))
  })
})
