import { describe, expect, test } from 'vitest'
import * as s from '../../schema/define.ts'
import { withoutPlace, type TextFile } from '../reading/invalid-policy.ts'
import { parseChecked } from '../reading/parse-policy.ts'

const key = s.strictObject({ key: s.string(), note: s.string().optional() })
const file = s.strictObject({ file: s.string(), note: s.string().optional() })
const range = s.strictObject({ from: s.number(), to: s.number() })
const text = s.union([s.string(), s.strictObject({ pattern: s.string() })])
const SCHEMA = s
  .strictObject({
    name: s.string(),
    count: s.int().min(1).optional(),
    mode: s.oneOf(['on', 'off']).optional(),
    list: s.array(s.string()).optional(),
    key: key.optional(),
    signer: s.union([key, file]).optional(),
    text: text.optional(),
    texts: s.union([text, s.array(text)]).optional(),
    nested: s.union([s.literal('any'), s.union([s.number(), s.oneOf(['some'])])]).optional(),
    bounds: s.union([range, s.strictObject({ only: s.number() })]).optional(),
    checked: s.union([key.refine(({ key }) => key !== '', 'expected a key'), s.number()]).optional(),
    single: s.union([key]).optional(),
    lists: s.array(s.union([key, file])).optional(),
    wording: s.union([s.string().refine((text) => text === 'a', 'expected a'), s.string().min(3)]).optional(),
    checks: s
      .union([
        s.strictObject({ a: s.string().optional() }).refine(({ a }) => a !== undefined, 'expected a'),
        s.strictObject({ b: s.string().optional() }),
      ])
      .optional(),
    open: s
      .union([s.strictObject({ a: s.string().optional() }), s.strictObject({ b: s.string().optional() })])
      .optional(),
    twins: s
      .union([s.strictObject({ a: s.number() }), s.strictObject({ a: s.number(), b: s.number().optional() })])
      .optional(),
    modes: s
      .union([s.strictObject({ mode: s.oneOf(['on']), a: s.number() }), s.strictObject({ a: s.number() })])
      .optional(),
    odd: s.union([s.string('text, as expected by all'), s.number()]).optional(),
    needs: s.strictObject({ one: s.union([s.string(), s.number()]) }).optional(),
  })
  .withCheck(({ count, key }, report) => {
    if (count === 7) report({ message: 'expected another count' })
    if (count === 8) report({ path: ['key'], message: 'expected no key', input: key })
  })

async function problems(
  value: unknown,
  { schema = SCHEMA, what = 'policy' }: { schema?: s.Schema<unknown>; what?: TextFile['what'] } = {},
): Promise<string[]> {
  const yaml = typeof value === 'string' ? value : JSON.stringify(value)
  const parsed = await parseChecked(Buffer.from(yaml), { path: '/p.yaml', what }, schema)
  return parsed.problems.map((error) => (what === 'policy' ? withoutPlace(error) : error.message.replace(/^.*?: /, '')))
}

const ofSchema = (value: object, more = {}) => problems({ name: 'n', ...value }, more)

describe('a problem says what was expected and what was found:', () => {
  test.each<[object, string]>([
    [{ count: 0 }, '"count": expected at least 1; found 0.'],
    [{ count: 1.5 }, '"count": expected an integer; found 1.5.'],
    [{ count: 'x' }, '"count": expected a number; found "x".'],
    [{ count: true }, '"count": expected a number; found true.'],
    [{ count: [] }, '"count": expected a number; found a list.'],
    [{ count: { a: 1 } }, '"count": expected a number; found fields with values. It has the unknown field "a".'],
    [{ count: null }, '"count": expected a number; found nothing.'],
    [{ key: {} }, '"key.key": expected text; it is missing.'],
    [{ mode: null }, '"mode": expected "on" or "off"; found nothing.'],
    [{ mode: 'onn' }, '"mode": expected "on" or "off"; found "onn". Did you mean "on"?'],
    [{ list: ['x', 5] }, '"list.1": expected text; found 5. Put it in quotes.'],
    [{ count: 7 }, 'expected another count.'],
    [{ count: 8, key: { key: 'a' } }, '"key": expected no key.'],
    [{ other: 1 }, '"other" is not a known field.'],
    [{ key: { key: 'a', kye: 'b' } }, '"kye" is not a known field of "key". Did you mean "key"?'],
  ])('%j', async (value, message) => expect(await ofSchema(value)).toEqual([message]))

  test.each<[string, string]>([
    ['null', 'It is empty.'],
    ['[]', 'expected fields with values; found a list.'],
    ['x', 'expected fields with values; found "x".'],
    ['5', 'expected fields with values; found 5.'],
  ])('the whole file: %s', async (yaml, message) => expect(await problems(yaml)).toEqual([message]))

  test('but nothing about what is found where it says enough', async () => {
    const schema = s.array(s.string()).max(1)
    expect(await problems(['a', 'b'], { schema })).toEqual(['expected at most 1 entry.'])
    expect(await problems({ a: 1 }, { schema: s.record(s.string().min(2), s.number()) })).toEqual([
      '"a": expected at least 2 characters; found "a".',
    ])
  })
})

describe('a problem with alternatives', () => {
  test.each<[object, string[]]>([
    // All of them, each once.
    [{ text: 5 }, ['"text": expected text, or fields with values; found 5.']],
    [{ texts: 5 }, ['"texts": expected text, or fields with values, or a list; found 5.']],
    [{ texts: null }, ['"texts": expected text, or fields with values, or a list; found nothing.']],
    [{ nested: 'som' }, ['"nested": expected "any", or a number, or "some"; found "som". Did you mean "some"?']],
    [{ nested: [] }, ['"nested": expected "any", or a number, or "some"; found a list.']],
    [{ signer: {} }, ['"signer": expected "key", or "file".']],
    [{ bounds: {} }, ['"bounds": expected "from" and "to", or "only".']],
    [{ signer: { other: 1 } }, ['"signer": expected "key", or "file". It has the unknown field "other".']],
    [{ signer: { kye: 1 } }, ['"signer": expected "key", or "file". It has "kye". Did you mean "key"?']],
    // Those in the one that is meant.
    [{ signer: { key: 5 } }, ['"signer.key": expected text; found 5. Put it in quotes.']],
    [
      { signer: { key: 5, note: 6 } },
      [
        '"signer.key": expected text; found 5. Put it in quotes.',
        '"signer.note": expected text; found 6. Put it in quotes.',
      ],
    ],
    [{ signer: { key: 'a', other: 1 } }, ['"other" is not a known field of "signer".']],
    [
      { signer: { key: 5, other: 1 } },
      ['"other" is not a known field of "signer".', '"signer.key": expected text; found 5. Put it in quotes.'],
    ],
    [{ text: { pattern: 5 } }, ['"text.pattern": expected text; found 5. Put it in quotes.']],
    [{ texts: [5] }, ['"texts.0": expected text, or fields with values; found 5.']],
    [{ texts: [{ pattern: 5 }] }, ['"texts.0.pattern": expected text; found 5. Put it in quotes.']],
    [{ checked: { key: '' } }, ['"checked": expected a key.']],
    [{ single: 'a' }, ['"single": expected fields with values; found "a". Write it as { key: "a" }.']],
    [{ wording: 'b' }, ['"wording": expected a; found "b".']],
    [{ checks: { c: 1 } }, ['"c" is not a known field of "checks".']],
    [
      { modes: { a: 'x', other: 1 } },
      ['"other" is not a known field of "modes".', '"modes.a": expected a number; found "x".'],
    ],
    // None is meant.
    [{ checked: { other: 1 } }, ['"checked": expected "key", or a number. It has the unknown field "other".']],
    [{ open: { c: 1 } }, ['"open": expected known fields only. It has the unknown field "c".']],
    [{ twins: { a: 'x' } }, ['"twins": expected a number.']],
    [{ odd: [] }, ['"odd": expected text, as expected by all, or a number; found a list.']],
    [{ needs: {} }, ['"needs.one": expected text, or a number; it is missing.']],
    [
      { bounds: { from: 1, only: 'x' } },
      ['"bounds": expected one kind; found "from" and "only" together. Keep one of them.'],
    ],
    [{ signer: { note: 'a' } }, ['"signer": expected "key", or "file".']],
    [
      { signer: { key: 'a', file: 'b' } },
      ['"signer": expected one kind; found "key" and "file" together. Keep one of them.'],
    ],
    [
      { lists: [{ key: 'a' }, { key: 'a', file: 5 }] },
      ['"lists.1": expected one kind; found "key" and "file" together. Keep one of them.'],
    ],
  ])('%j: %j', async (value, messages) => expect(await ofSchema(value)).toEqual(messages))
})

describe('a misspelt field', () => {
  test('comes first', async () => {
    expect(await ofSchema({ count: 0, mode: 5, signer: { kye: 'a' }, other: 1 })).toEqual([
      '"signer": expected "key", or "file". It has "kye". Did you mean "key"?',
      '"other" is not a known field.',
      '"count": expected at least 1; found 0.',
      '"mode": expected "on" or "off"; found 5.',
    ])
  })

  test('and one of another kind come first', async () => {
    expect(await ofSchema({ count: 0, signer: { key: 'a', file: 5 } })).toEqual([
      '"signer": expected one kind; found "key" and "file" together. Keep one of them.',
      '"count": expected at least 1; found 0.',
    ])
  })

  test('hides that the right one is missing, and what is wrong with the object without it', async () => {
    expect(await problems({ nmae: 'n' })).toEqual(['"nmae" is not a known field. Did you mean "name"?'])
    expect(await problems({ nmae: 'n', key: {} })).toEqual([
      '"nmae" is not a known field. Did you mean "name"?',
      '"key.key": expected text; it is missing.',
    ])
    expect(await ofSchema({ cuont: 1, count: 7 })).toEqual(['"cuont" is not a known field. Did you mean "count"?'])
    expect(await ofSchema({ cuont: 1, count: 0 })).toEqual([
      '"cuont" is not a known field. Did you mean "count"?',
      '"count": expected at least 1; found 0.',
    ])
    expect(await ofSchema({ colour: 1, count: 7 })).toEqual([
      '"colour" is not a known field.',
      'expected another count.',
    ])
    expect(await problems({ colour: 1 })).toEqual([
      '"colour" is not a known field.',
      '"name": expected text; it is missing.',
    ])
  })
})

test('at most 100 problems are described, in their order', async () => {
  const many = (name: string, count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`${name}-unlike-${index}`, 1]))
  const list = Array.from({ length: 150 }, (_, index) => index)
  expect(await ofSchema({ list })).toHaveLength(100)
  expect(await ofSchema(many('other', 100))).toHaveLength(100)
  const found = await ofSchema({ ...many('other', 60), key: { key: 'k', ...many('more', 150) }, list })
  expect(found).toHaveLength(100)
  expect(found[0]).toBe('"more-unlike-0" is not a known field of "key".')
  expect(found[99]).toBe('"more-unlike-99" is not a known field of "key".')
})

test('the positions are those of the values, and of the names of unknown fields', async () => {
  const yaml = 'name: n\ncount: 0\nkey:\n  key: a\n  other: b\nmode: 5\n'
  const { problems } = await parseChecked(Buffer.from(yaml), { path: '/p.yaml', what: 'policy' }, SCHEMA)
  expect(problems.map(({ code, line, column }) => [code, line, column])).toEqual([
    ['POLICY_INVALID', 5, 3],
    ['POLICY_INVALID', 2, 8],
    ['POLICY_INVALID', 6, 7],
  ])
})

test('an anchor in place of a value is put in quotes', async () => {
  expect(await problems('name: &all\n')).toEqual(['"name": A value that begins with & must be in quotes: "&all".'])
  expect(await problems('name: &all 5\n')).toEqual(['"name": expected text; found 5. Put it in quotes.'])
  expect(await problems('name:\n')).toEqual(['"name": expected text; found nothing.'])
})

describe('in a file of expectations, the place is', () => {
  const what = 'file of expectations'
  const schema = s.array(s.strictObject({ model: s.string(), more: key.optional() }))
  const entries = (index: number, entry: unknown) => [...(Array(index).fill({ model: 'm' }) as unknown[]), entry]

  test.each<[number, unknown, string]>([
    [0, { model: [] }, '"model" of the first expectation: expected text; found a list.'],
    [
      1,
      { model: 'm', more: { key: 5 } },
      '"more.key" of the second expectation: expected text; found 5. Put it in quotes.',
    ],
    [9, {}, '"model" of the tenth expectation: expected text; it is missing.'],
    [10, [], 'the 11th expectation: expected fields with values; found a list.'],
    [2, { model: 'm', mroe: 1 }, '"mroe" is not a known field of the third expectation. Did you mean "more"?'],
  ])('%i: %j', async (index, entry, message) =>
    expect(await problems(entries(index, entry), { schema, what })).toEqual([message]),
  )

  test('in words up to the tenth', async () => {
    const words = [
      'first',
      'second',
      'third',
      'fourth',
      'fifth',
      'sixth',
      'seventh',
      'eighth',
      'ninth',
      'tenth',
      '11th',
    ]
    const found = await problems(Array(11).fill(5), { schema, what })
    expect(found.map((message) => /^the (\w+) expectation: /.exec(message)?.[1])).toEqual(words)
  })

  test('that of the file', async () => {
    expect(await problems('a: 1', { schema, what })).toEqual([
      'expected a list; found fields with values. Begin each entry with "- ".',
    ])
    expect(await problems({ a: 1 }, { schema: s.record(s.string(), s.string()), what })).toEqual([
      '"a": expected text; found 1. Put it in quotes.',
    ])
    expect(await problems([1], { schema: s.array(s.string()) })).toEqual([
      '"0": expected text; found 1. Put it in quotes.',
    ])
  })
})
