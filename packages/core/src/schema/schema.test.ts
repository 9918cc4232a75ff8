import { describe, expect, test } from 'vitest'
import * as s from './define.ts'

const person = s.strictObject({
  name: s.string().min(1).max(5),
  age: s.int().min(0).optional(),
  tags: s
    .array(s.oneOf(['a', 'b']))
    .min(1)
    .optional(),
})

/** Path, code and message of each issue; undefined if the value is accepted. */
function issues(schema: s.Schema<unknown>, input: unknown) {
  const checked = schema.check(input)
  return 'issues' in checked
    ? checked.issues.map(({ path, code, message }) => `${path.join('.')} ${code}: ${message}`)
    : undefined
}

describe('a schema', () => {
  test('accepts what it describes, as a copy without prototypes', () => {
    const input = { age: 3, name: 'x', tags: ['a'] }
    const checked = person.check(input)
    if (!('value' in checked)) throw new Error('refused')
    expect({ ...checked.value }).toEqual(input)
    expect(Object.getPrototypeOf(checked.value)).toBeNull()
    expect(checked.value.tags).not.toBe(input.tags)
  })

  test.each<[what: string, input: unknown, expected: string[]]>([
    ['an unknown field', { name: 'x', nam: 'y' }, [' unrecognized_keys: expected known fields only']],
    [
      'a field that every object inherits',
      { name: 'x', toString: 1 },
      [' unrecognized_keys: expected known fields only'],
    ],
    ['a missing field', {}, ['name invalid_type: expected text']],
    ['null for an optional field', { name: 'x', age: null }, ['age invalid_type: expected a number']],
    ['a fraction', { name: 'x', age: 1.5 }, ['age invalid_type: expected an integer']],
    ['infinity', { name: 'x', age: Infinity }, ['age invalid_type: expected a number']],
    ['an unsafe integer', { name: 'x', age: 2 ** 53 }, ['age too_big: expected at most 9007199254740991']],
    ['a number in quotes', { name: 'x', age: '1' }, ['age invalid_type: expected a number']],
    ['an empty text', { name: '' }, ['name too_small: expected text that is not empty']],
    ['a long text', { name: 'abcdef' }, ['name too_big: expected at most 5 characters']],
    ['an empty list', { name: 'x', tags: [] }, ['tags too_small: expected at least 1 entry']],
    ['an entry of a list', { name: 'x', tags: ['a', 'c'] }, ['tags.1 invalid_value: expected "a" or "b"']],
    ['a list instead of fields', [], [' invalid_type: expected fields with values']],
    [
      'everything at once',
      { name: 1, age: -1 },
      ['name invalid_type: expected text', 'age too_small: expected at least 0'],
    ],
    ['six characters outside the BMP', { name: '😀'.repeat(6) }, ['name too_big: expected at most 5 characters']],
  ])('refuses %s', (_, input, expected) => expect(issues(person, input)).toEqual(expected))

  test('counts characters as JSON Schema does', () => {
    expect(issues(person, { name: '😀'.repeat(5) })).toBeUndefined()
  })

  test('does not find a field in a prototype', () => {
    expect(issues(person, Object.create({ name: 'x' }))).toEqual(['name invalid_type: expected text'])
  })

  test.each([
    [0.1, undefined],
    [-0, undefined],
    ['0.1', [' invalid_type: expected a number']],
    [NaN, [' invalid_type: expected a number']],
    [-Infinity, [' invalid_type: expected a number']],
  ])('of a number judges %s', (input, expected) => expect(issues(s.number(), input)).toEqual(expected))

  test('of an open object ignores other fields, and null for optional ones', () => {
    const open = s.openObject({ name: s.string(), age: s.int().optional() })
    expect(open.check({ name: 'x', age: null, more: 1 })).toEqual({ value: { name: 'x' } })
    expect(issues(open, { name: null })).toEqual(['name invalid_type: expected text'])
    expect(open.toJson()).not.toHaveProperty('additionalProperties')
  })

  test('of fields that come together requires all or none', () => {
    const pair = s.strictObject({ from: s.int().optional(), to: s.int().optional() }).together('from', 'to')
    expect(issues(pair, {})).toBeUndefined()
    expect(issues(pair, { from: 1, to: 2 })).toBeUndefined()
    expect(issues(pair, { to: 2 })).toEqual(['from custom: expected from and to together'])
    expect(pair.toJson()).toMatchObject({ dependentRequired: { from: ['to'], to: ['from'] } })
  })

  test('of any value copies it without prototypes', () => {
    const checked = s.anything().check({ a: [{}] }) as { value: { a: object[] } }
    expect(checked).toEqual({ value: { a: [{}] } })
    expect(Object.getPrototypeOf(checked.value.a[0])).toBeNull()
  })

  test('inspects no entries of a list or record that is too long', () => {
    expect(issues(s.array(s.int()).max(1), ['a', 'b'])).toEqual([' too_big: expected at most 1 entry'])
    const record = s.record(s.string(), s.int()).max(2)
    expect(issues(record, { a: 1, b: 2 })).toBeUndefined()
    expect(issues(record, { a: 'a', b: 'b', c: 'c' })).toEqual([' too_big: expected at most 2 entries'])
  })

  test('reports a limited number of issues', () => {
    expect(issues(s.array(s.int()), Array(20_000).fill('x'))).toHaveLength(10_000)
  })

  test('is not changed by its methods', () => {
    const text = s.string()
    text.min(1).max(2).regex(/x/, 'expected x').describe('A text.')
    expect(issues(text, '')).toBeUndefined()
    expect(text.toJson()).toEqual({ type: 'string' })
  })
})

describe('a custom check', () => {
  const period = s
    .strictObject({ from: s.int(), to: s.int(), note: s.string().min(1).optional() })
    .withCheck(({ from, to }, report) => {
      if (from > to) report({ message: 'expected a later end', path: ['to'], input: to })
    })

  test('reports the path below the value', () => {
    const checked = s.array(period).check([{ from: 2, to: 1 }])
    expect(checked).toMatchObject({ issues: [{ code: 'custom', path: [0, 'to'], input: 1 }] })
  })

  test('sees only values of the right type', () => {
    expect(issues(period, { from: 2, to: '1' })).toEqual(['to invalid_type: expected a number'])
    expect(issues(period, { from: 2, to: 1, note: '' })).toHaveLength(2)
    expect(issues(period, { from: 2, to: 1, other: 1 })).toHaveLength(2)
  })

  test('runs after the format, unless a text in another format is not checked further', () => {
    const refused = (abort: boolean) =>
      issues(
        s
          .string()
          .regex(/^a/, 'expected an a', { abort })
          .refine((text) => text.length > 1, 'expected more'),
        'b',
      )
    expect(refused(false)).toEqual([' invalid_format: expected an a', ' custom: expected more'])
    expect(refused(true)).toEqual([' invalid_format: expected an a'])
  })
})

describe('alternatives', () => {
  const either = s.union([s.string().min(2), s.strictObject({ file: s.string() }), s.literal(1)])

  test.each(['ab', { file: 'x' }, 1])('accept %o', (input) => expect(issues(either, input)).toBeUndefined())

  test('refuse a value for the reason of the only alternative with its type', () => {
    expect(issues(either, 'a')).toEqual([' too_small: expected at least 2 characters'])
    expect(issues(either, { file: 'x', other: 1 })).toEqual([' unrecognized_keys: expected known fields only'])
  })

  test('list the issues of each, with paths from the value itself', () => {
    const checked = s.strictObject({ key: either }).check({ key: { file: 1 } })
    const [issue] = 'issues' in checked ? checked.issues : []
    expect(issue).toMatchObject({ path: ['key'], code: 'invalid_union' })
    expect(issue?.code === 'invalid_union' && issue.errors.map((errors) => errors.map(({ path }) => path))).toEqual([
      [[]],
      [['file']],
      [[]],
    ])
  })
})

describe('a record', () => {
  test('has checked names and values', () => {
    const record = s.record(s.string().max(2), s.boolean())
    expect(issues(record, { a: true, b: false })).toBeUndefined()
    expect(issues(record, { abc: true, b: 1 })).toEqual([
      'abc invalid_key: expected at most 2 characters',
      'b invalid_type: expected true or false',
    ])
  })

  test('refuses a name with the message of its schema', () => {
    const record = s.record(s.string().length(1, 2, 'expected a short name'), s.boolean())
    expect(issues(record, { '': true, abc: true })).toEqual([
      ' invalid_key: expected a short name',
      'abc invalid_key: expected a short name',
    ])
    expect(record.toJson()).toMatchObject({ propertyNames: { minLength: 1, maxLength: 2 } })
  })

  test('of known names refuses others, and requires none', () => {
    const record = s.optionalFields(s.oneOf(['a', 'b']), s.boolean())
    expect(issues(record, {})).toBeUndefined()
    expect(issues(record, { a: true, c: true })).toEqual([' unrecognized_keys: expected known fields only'])
  })

  test('keeps a name that objects treat specially', () => {
    const checked = s.record(s.string(), s.boolean()).check(JSON.parse('{ "__proto__": true }'))
    expect('value' in checked && Object.keys(checked.value)).toEqual(['__proto__'])
  })
})

test.each(['value', 'issues', 'values', 'message', 'input', 'path', 'min', 'max', 'abort'])(
  'a field "%s" on Object.prototype changes nothing',
  (name) => {
    const names = s.string().length(1, 2, 'expected a short name')
    const schema = () => s.strictObject({ given: s.record(names, s.int().min(1)).refine(() => true, 'never') })
    Object.defineProperty(Object.prototype, name, { configurable: true, writable: true, value: ['x'] })
    try {
      expect(issues(schema(), { given: { a: 1 } })).toBeUndefined()
      expect(issues(schema(), { given: { long: 1 } })).toEqual(['given.long invalid_key: expected a short name'])
      expect(issues(schema(), { given: { a: 0 } })).toEqual(['given.a too_small: expected at least 1'])
      expect(issues(schema(), {})).toEqual(['given invalid_type: expected fields with values'])
    } finally {
      Reflect.deleteProperty(Object.prototype, name)
    }
  },
)
