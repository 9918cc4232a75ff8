import { describe, expect, test } from 'vitest'
import * as s from '../../schema/define.ts'
import { belongsUnder, choicesIn, fieldsAt, objectsAt } from './known-fields.ts'
import type { ValuePath } from '../reading/policy-text.ts'

const key = s.strictObject({ key: s.string(), note: s.string().optional() })
const file = s.strictObject({ file: s.string(), note: s.string() }).optional()
const SCHEMA = s
  .strictObject({
    name: s.string(),
    mode: s.oneOf(['on', 'off']).optional(),
    words: s.array(s.oneOf(['x', 'y'])),
    either: s.union([s.literal('z'), s.array(s.union([s.oneOf(['x']), s.number()]))]).optional(),
    signers: s.array(s.union([key, file, s.string()])),
    roots: s.record(s.string(), s.union([s.string(), s.strictObject({ roots: s.array(key), crl: s.string() })])),
    extensions: s.optionalFields(
      s.oneOf(['uri', 'ref']),
      s.union([s.string(), s.strictObject({ pattern: s.string() })]),
    ),
    deep: s.strictObject({ inner: s.strictObject({ crl: s.string(), pattern: s.string(), own: s.boolean() }) }),
  })
  .optional()

describe('the kinds of objects at a path', () => {
  test.each<[ValuePath, object[]]>([
    [
      ['signers', 0],
      [
        { fields: ['key', 'note'], required: ['key'] },
        { fields: ['file', 'note'], required: ['file', 'note'] },
      ],
    ],
    [['roots', 'any'], [{ fields: ['roots', 'crl'], required: ['roots', 'crl'] }]],
    [['deep'], [{ fields: ['inner'], required: ['inner'] }]],
    [['signers'], []],
    [['name'], []],
    [['name', 'more'], []],
    [['constructor'], []],
    [['gone', 'more'], []],
  ])('%j are %j', (path, objects) => expect(objectsAt(SCHEMA, path)).toEqual(objects))

  test('of the whole are its own', () => {
    const required = ['name', 'words', 'signers', 'roots', 'extensions', 'deep']
    const [object, ...others] = objectsAt(SCHEMA, [])
    expect(others).toEqual([])
    expect(object?.required).toEqual(required)
    expect(object?.fields).toEqual([...required.slice(0, 1), 'mode', 'words', 'either', ...required.slice(2)])
  })
})

test.each<[ValuePath, string[]]>([
  [
    ['signers', 1],
    ['key', 'note', 'file'],
  ],
  [['extensions'], ['uri', 'ref']],
  [['extensions', 'uri'], ['pattern']],
  [['roots'], []],
  [
    ['roots', 'a', 'roots', 3],
    ['key', 'note'],
  ],
  [['words', 0], []],
])('the fields at %j are %j', (path, fields) => expect(fieldsAt(SCHEMA, path)).toEqual(fields))

test.each<[ValuePath, string[]]>([
  [['words'], ['x', 'y']],
  [['either'], ['z', 'x']],
  [['mode'], ['on', 'off']],
  [['signers'], []],
  [['name'], []],
])('the words in the list at %j are %j', (path, words) => expect(choicesIn(SCHEMA, path)).toEqual(words))

describe('unknown fields belong under', () => {
  test.each<[string[], ValuePath, string[]]>([
    // A field at the same path, whose entries have them.
    [['key'], [], ['signers']],
    [['crl'], [], ['roots']],
    [['note', 'key'], [], ['signers']],
    [['pattern'], [], ['extensions']],
    [['pattern'], ['extensions'], ['uri', 'ref']],
    // One further below.
    [['own'], [], ['inner']],
    [['own', 'crl'], [], ['inner']],
    [['own'], ['deep'], ['inner']],
    // One anywhere.
    [['key'], ['deep'], ['signers', 'roots']],
    [['pattern'], ['signers', 0], ['extensions', 'inner']],
    [['key', 'file'], ['deep'], []],
    [['other'], [], []],
    [['key', 'other'], [], []],
  ])('%j at %j: %j', (unknown, path, owners) => expect(belongsUnder(unknown, SCHEMA, path)).toEqual(owners))
})
