import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { refusal, scratch } from '../testing/scratch.ts'
import { expectationsBeside, isElsewhere, readExpectations } from './expectations.ts'

const read = (text: string) => readExpectations(join(scratch({ 'p.test.yaml': text }), 'p.test.yaml'))

describe('expectations', () => {
  test('are beside the policy', () => {
    expect(expectationsBeside('/a/trust-policy.yaml')).toBe('/a/trust-policy.test.yaml')
    expect(expectationsBeside('/a/p.json')).toBe('/a/p.test.json')
  })

  test('are about models on this machine or elsewhere', () => {
    expect(['models/vad', '/models/vad', 'file:///m', 'hf://org/m', 'https://a/m'].map(isElsewhere)).toEqual([
      false,
      false,
      false,
      true,
      true,
    ])
  })

  test('have all fields, and the positions of their entries', async () => {
    const directory = scratch({
      'p.test.yaml':
        '- { model: a, expect: accepted, rule: r, format: onnx, url: "https://a/m" }\n- model: b\n  expect: refused\n  because: FILE_MISMATCH\n',
    })
    const path = join(directory, 'p.test.yaml')
    expect(await readExpectations(path)).toEqual({
      path,
      expectations: [
        {
          model: 'a',
          expect: 'accepted',
          rule: 'r',
          format: 'onnx',
          url: 'https://a/m',
          position: { line: 1, column: 3 },
        },
        { model: 'b', expect: 'refused', because: 'FILE_MISMATCH', position: { line: 2, column: 3 } },
      ],
    })
  })

  test.each(['accepted', 'refused', 'tolerated', 'skipped'])('may be that a model is %s', async (decision) => {
    expect((await read(`- { model: a, expect: ${decision} }`)).expectations).toMatchObject([{ expect: decision }])
  })

  test.each([
    ['no entry', '[]', 'entry'],
    ['another decision', '- { model: a, expect: loaded }', 'expected "accepted"'],
    ['no decision', '- { model: a }', 'expect'],
    ['no model', '- { expect: accepted }', 'model'],
    ['an empty rule', '- { model: a, expect: accepted, rule: "" }', 'expected'],
    ['an empty URL', '- { model: a, expect: accepted, url: "" }', 'expected'],
    ['an unknown field', '- { model: a, expect: accepted, why: x }', '"why"'],
    ['an unknown code', '- { model: a, expect: refused, because: BROKEN }', 'expected an error code'],
    ['a code for an accepted model', '- { model: a, expect: accepted, because: FILE_MISMATCH }', 'no error code'],
    ['a URL for a model elsewhere', '- { model: "hf://o/m", expect: accepted, url: "https://a" }', 'expected no url'],
  ])('are refused with %s', async (_, text, message) => {
    await expect(read(text)).rejects.toEqual(
      refusal('POLICY_INVALID', { line: 1, message: expect.stringContaining(message) as string }),
    )
  })

  test('are named in the refusal', async () => {
    await expect(read('[]')).rejects.toThrow(/^The file of expectations "/)
  })

  test('may be about models elsewhere', async () => {
    expect((await read('- { model: "hf://o/m", expect: accepted }')).expectations).toHaveLength(1)
  })

  test('name the position of a field that contradicts another', async () => {
    await expect(read('- { model: a, expect: accepted, because: FILE_MISMATCH }')).rejects.toMatchObject({ column: 42 })
    await expect(read('- { model: "hf://o/m", expect: accepted, url: "https://a" }')).rejects.toMatchObject({
      column: 47,
    })
  })

  test('are refused if the file is missing or too large', async () => {
    await expect(readExpectations(join(scratch(), 'p.test.yaml'))).rejects.toEqual(
      refusal('FILE_NOT_FOUND', {
        message: expect.stringContaining('file of expectations') as string,
        hint: expect.stringContaining('beside the policy') as string,
      }),
    )
    const large = '#'.repeat(1024 * 1024)
    await expect(read(`${large}\n`)).rejects.toEqual(refusal('FILE_TOO_LARGE'))
    await expect(read(`${large.slice(40)}\n- { model: a, expect: refused }`)).resolves.toBeDefined()
  })
})
