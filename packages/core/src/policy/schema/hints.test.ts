import { describe, expect, test } from 'vitest'
import * as s from '../../schema/define.ts'
import type { Issue } from '../../schema/issue.ts'
import { clashingFields, fieldHint, hint } from './hints.ts'

const key = s.strictObject({ key: s.string(), note: s.string().optional() })
const certificate = s.strictObject({ certificate: s.strictObject({ root: s.string(), san: s.string().optional() }) })
const signer = s.union([key, certificate])
const SCHEMA = s.strictObject({
  name: s.string().optional(),
  age: s.string('expected a duration').optional(),
  sure: s.boolean().optional(),
  version: s.literal(1).optional(),
  mode: s.oneOf(['enforce', 'audit']).optional(),
  modes: s.array(s.oneOf(['enforce', 'audit'])).optional(),
  names: s.array(s.string()).optional(),
  isSure: s.union([s.boolean(), s.oneOf(['always', 'never'])]).optional(),
  either: s.union([s.string(), s.number()]).optional(),
  texts: s.union([s.string('expected text'), s.string('expected text')]).optional(),
  key: key.optional(),
  chosen: s.strictObject({ first: s.string().optional(), second: s.string().optional() }).optional(),
  empty: s.strictObject({}).optional(),
  numbered: s.record(s.string(), s.number()).optional(),
  signers: s.array(signer).optional(),
  signer: signer.optional(),
  range: s
    .union([s.strictObject({ from: s.number(), to: s.number() }), s.strictObject({ from: s.number() })])
    .optional(),
  trustRoots: s.record(s.string(), signer).optional(),
  kind: s
    .string()
    .withCheck((_, report) => report({ message: 'expected another', values: ['evaluation', 'model-card'] }))
    .optional(),
  plain: s
    .string()
    .withCheck((_, report) => report({ message: 'expected another' }))
    .optional(),
  checked: key.withCheck((_, report) => report({ message: 'expected another' })).optional(),
  fingerprints: s.array(s.strictObject({ fingerprint: s.string() })).optional(),
})

function firstIssue(value: unknown, schema: s.Schema<unknown> = SCHEMA): Issue {
  const checked = schema.check(value)
  if (!('issues' in checked)) throw new Error('It was accepted.')
  return checked.issues[0]
}

function hintFor(value: unknown, schema: s.Schema<unknown> = SCHEMA): string {
  const issue = firstIssue(value, schema)
  return hint(issue, schema, issue.path)
}

describe('the hint for a value in place of a list says how to', () => {
  test.each<[object, string]>([
    [{ modes: 'enfroce' }, ' Did you mean ["enforce"]? The list may contain "enforce", "audit".'],
    [{ modes: 'other' }, ' Write a list of some of "enforce", "audit".'],
    [{ modes: 'audit' }, ' Write it as ["audit"].'],
    [{ modes: { audit: true } }, ' Begin each entry with "- ".'],
    [{ names: 'x' }, ' Write it as ["x"].'],
    [{ names: 5 }, ''],
    [{ modes: 5 }, ''],
    [{ names: null }, ''],
  ])('write %j', (value, words) => expect(hintFor(value)).toBe(words))
})

describe('the hint for a text says how to', () => {
  test.each<[object, string]>([
    [{ version: '1' }, ' Write it without quotes.'],
    [{ version: '2' }, ''],
    [{ mode: 'enfroce' }, ' Did you mean "enforce"?'],
    [{ mode: 'other' }, ''],
    [{ kind: 'evaluaton' }, ' Did you mean "evaluation"?'],
    [{ plain: 'evaluaton' }, ''],
    [{ isSure: 'alwys' }, ' Did you mean "always"?'],
    [{ isSure: 'yes' }, ' Write true.'],
    ...['yes', 'YES', 'on'].map((text): [object, string] => [{ sure: text }, ' Write true.']),
    ...['no', 'off', 'Off'].map((text): [object, string] => [{ sure: text }, ' Write false.']),
    ...['yess', 'oyes', 'offf', 'noff', 'x'].map((text): [object, string] => [{ sure: text }, '']),
    [{ mode: 'yes' }, ''],
    [{ key: 'a' }, ' Write it as { key: "a" }.'],
    [{ chosen: 'a' }, ' Write it as { first: "a" }.'],
    [{ signer: 'a' }, ' Write it as { key: "a" }.'],
    [{ empty: 'a' }, ''],
    [{ numbered: 'a' }, ''],
  ])('write %j', (value, words) => expect(hintFor(value)).toBe(words))

  test('in place of the whole file is none', () => expect(hintFor('a')).toBe(''))
})

describe('the hint for another value says how to', () => {
  test.each<[object, string]>([
    [{ key: null }, ' Indent its fields below it.'],
    [{ name: null }, ''],
    [{ name: 5 }, ' Put it in quotes.'],
    [{ name: true }, ' Put it in quotes.'],
    [{ name: [] }, ''],
    [{ age: 5 }, ''],
    [{ sure: 1 }, ''],
    [{ either: true }, ''],
    [{ key: 5 }, ''],
  ])('write %j', (value, words) => expect(hintFor(value)).toBe(words))

  test('in place of the whole file is none', () => expect(hintFor(null)).toBe(''))
})

describe('the hint for fields that are none of the known ones', () => {
  test.each<[object, string]>([
    [{ signer: { kye: 'a', other: 1 } }, ' It has "kye". Did you mean "key"?'],
    [{ signer: { root: 'a' } }, ' It has "root". It belongs under "certificate".'],
    [{ signer: { root: 'a', san: 'b' } }, ' It has "root" and "san". They belong under "certificate".'],
    [{ signer: { colour: 'a' } }, ' It has the unknown field "colour".'],
    [{ signer: { colour: 'a', taste: 'b' } }, ' It has the unknown field "colour".'],
    [{ signer: {} }, ''],
    [{ checked: { key: 'a' } }, ''],
    [{ name: { first: 'a' } }, ' It has "first". It belongs under "chosen".'],
    [{ plain: 'x' }, ''],
  ])('%j: %s', (value, words) => expect(hintFor(value)).toBe(words))

  test('is none for a check of a value that is not known', () => {
    const schema = s.strictObject({
      any: s.anything().withCheck((_, report) => report({ message: 'expected another' })),
    })
    expect(hintFor({ any: { other: 1 } }, schema)).toBe('')
    const text = s.strictObject({ any: s.string() })
    expect(hintFor({ any: { other: 1 } }, text)).toBe(' It has the unknown field "other".')
  })
})

describe('the hint for an unknown field', () => {
  const at = (key: string, path: readonly PropertyKey[] = [], present: readonly string[] = []) =>
    fieldHint(key, SCHEMA, { path, present })

  test.each<[string, readonly PropertyKey[], string]>([
    ['moed', [], ' Did you mean "mode"?'],
    ['first', [], ' It belongs under "chosen".'],
    // Three fields are too many to name.
    ['certificate', [], ''],
    ['fingerprint', [], ' Did you mean "fingerprints"?'],
    ['san', ['signer'], ' It belongs under "certificate".'],
    ['second', ['signer'], ' It belongs under "chosen".'],
    ['colour', [], ''],
    ...['digest', 'hash', 'sha256', 'SHA-256'].map((key): [string, readonly PropertyKey[], string] => [
      key,
      ['fingerprints', 0],
      ' Did you mean "fingerprint"?',
    ]),
    ['digests', ['fingerprints', 0], ''],
    ['mydigest', ['fingerprints', 0], ''],
    ['digest', [], ''],
  ])('%s at %j: %s', (key, path, words) => expect(at(key, path)).toBe(words))

  test('names only those that are there, if any is', () => {
    expect(at('certificate', [], ['signer', 'name'])).toBe(' It belongs under "signer".')
    expect(at('certificate', [], ['trustRoots', 'signers'])).toBe(' It belongs under "signers" or "trustRoots".')
  })
})

describe('fields of several kinds in one object', () => {
  function clash(value: unknown): string | undefined {
    const issue = firstIssue(value)
    return clashingFields(issue, SCHEMA, issue.path)
  }
  const both = { key: 'a', certificate: {} }
  const found = 'expected one kind; found "key" and "certificate" together.'

  test.each<[object, string]>([
    [{ signer: both }, `"signer": ${found} Keep one of them.`],
    [{ signers: [both] }, `"signers.0": ${found} Make each a separate signer.`],
    [{ trustRoots: { a: both } }, `"trustRoots.a": ${found} Make each a separate trust root with its own name.`],
  ])('%j: %s', (value, words) => expect(clash(value)).toBe(words))

  test.each<[string, object]>([
    ['one kind has all', { signer: { key: 'a', note: 5 } }],
    ['only one is required by a kind', { signer: { certificate: 5, note: 'a' } }],
    ['one kind has all, and another only one', { range: { from: 1, to: 'x' } }],
    ['there are no kinds', { name: { key: 'a', certificate: 'b' } }],
    ['there is one kind', { chosen: { first: 'a', second: 5, key: 'a' } }],
    ['there are none', { signer: 'a' }],
    ['none is known', { signer: { colour: 'a' } }],
  ])('do not clash if %s', (_, value) => expect(clash(value)).toBeUndefined())
})
