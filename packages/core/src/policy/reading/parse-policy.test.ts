import { expect, test } from 'vitest'
import { parsePolicy } from './parse-policy.ts'

const RULE = '{ name: r, match: { path: m }, signers: [{ key: a }] }'

test.each([
  ['a valid policy', `version: 1\nrules: [${RULE}]`, 0],
  ['an unknown field', `version: 1\nruels: [${RULE}]`, 1],
  ['a wrong version and a missing field', 'version: 2\nrules: [{ name: r, signers: [{ key: a }] }]', 2],
  ['a text that fits no alternative', 'version: 1\nrevoked: { keys: [{ fingerprint: x, file: y }, z] }', 3],
  ['a regular expression that is not valid', 'version: 1\nrevoked: { identities: [{ identity: { regexp: "(" } }] }', 1],
])('checks a long text like a short one: %s', async (_, text, count) => {
  const [short, long] = await Promise.all(
    [text, `${text}\n#${' '.repeat(40_000)}`].map(async (source) => {
      const parsed = await parsePolicy(Buffer.from(source), '/policy.yaml')
      const problems = parsed.problems.map(({ message, line, column }) => ({ message, line, column }))
      return { problems, file: 'file' in parsed ? parsed.file : undefined }
    }),
  )
  expect(short?.problems.length).toBe(count)
  expect(long).toEqual(short)
})

test.each([
  ['is not UTF-8', Buffer.from([0xff])],
  ['is UTF-16', Buffer.from('version: 1', 'utf16le')],
  ['is invalid', Buffer.from('version: 2')],
])('a policy that %s is refused, whatever is on Object.prototype', async (_, bytes) => {
  Object.defineProperty(Object.prototype, 'file', { configurable: true, writable: true, value: {} })
  try {
    expect('file' in (await parsePolicy(bytes, '/policy.yaml'))).toBe(false)
  } finally {
    Reflect.deleteProperty(Object.prototype, 'file')
  }
})
