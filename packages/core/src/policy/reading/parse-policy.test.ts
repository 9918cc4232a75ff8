import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, test } from 'vitest'
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

/** Line, column, and the end of the message of each problem. */
async function faults(text: string | Uint8Array, path = '/policy.yaml') {
  const { problems } = await parsePolicy(Buffer.from(text), path)
  return problems.map(({ code, line, column, message, expected, hint }) => ({
    code,
    at: line === undefined ? undefined : `${line}:${column}`,
    message,
    expected,
    hint,
  }))
}

describe('a text is refused before it is parsed', () => {
  test.each([
    ['UTF-16 in the order of this machine', Buffer.from('version: 1', 'utf16le'), 'but probably UTF-16'],
    ['UTF-16 in the other order', Buffer.from('version: 1', 'utf16le').swap16(), 'but probably UTF-16'],
    ['a web page', Buffer.from('<!DOCTYPE html><html></html>'), 'It is a web page'],
    ['not UTF-8', Buffer.from('# \xe9', 'latin1'), 'It is not UTF-8 text.'],
  ])('if it is %s', async (_, bytes, sentence) => {
    const [fault, ...others] = await faults(bytes)
    expect([fault?.code, fault?.at, others]).toEqual(['POLICY_INVALID', undefined, []])
    expect(fault?.message).toContain(sentence)
  })

  test('if it is empty', async () => {
    const [fault, ...others] = await faults('')
    expect([fault?.code, fault?.message.includes('It is empty. An invalid'), others]).toEqual([
      'POLICY_INVALID',
      true,
      [],
    ])
  })

  test('but not because of a zero after its beginning', async () => {
    const [fault] = await faults('ve\0')
    expect(fault?.message).not.toContain('UTF-16')
  })

  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  const body = 'MIGHAgEAMBMGByqG'

  test.each([
    ['in a block', `version: 1\nkey: |\n  ${pem.replaceAll('\n', '\n  ')}`, '3:3'],
    ['at the beginning', pem, '1:1'],
    ['with its line breaks written', `{ "key": ${JSON.stringify(pem)} }`, '1:11'],
    ['of a kind', `# -----BEGIN EC PRIVATE KEY-----\n# ${body}`, '1:3'],
    ['of a kind, in a folded text', `-----BEGIN EC PRIVATE KEY-----\n > ${body}`, '1:1'],
    ['of PGP', `-----BEGIN PGP PRIVATE KEY BLOCK-----\r\n\r\n${body}`, '1:1'],
    ['with a written carriage return', `-----BEGIN PRIVATE KEY-----\\r\\n${body}`, '1:1'],
    ['that is cut off', `-----BEGIN PRIVATE KEY-----\n${body.slice(1)}`, undefined],
    ['of which only the label is there', '-----BEGIN PRIVATE KEY-----', undefined],
    ['that is public', `-----BEGIN PUBLIC KEY-----\n${body}`, undefined],
  ])('if it contains a private key %s', async (_, text, at) => {
    const found = await faults(text)
    const isFound = found.some(({ message }) => message.includes('It contains a private key.'))
    expect(isFound).toBe(at !== undefined)
    if (at === undefined) return
    expect(found).toHaveLength(1)
    expect(found[0]).toMatchObject({ at, expected: 'the path of a file with the public key' })
    // The key itself is in no message.
    expect(JSON.stringify(found)).not.toContain(body.slice(0, 8))
  })
})

describe('YAML is refused', () => {
  const policy = (value: string) => `version: 1\nrevoked: {}\nmaxAge: ${value}\n`

  test.each([
    ['an alias of an anchor', `issued: &a x\n${policy('*a')}`, '4:9', 'It uses the YAML alias "*a"'],
    ['an alias of nothing', policy('*/x'), '3:9', 'A value that begins with * must be in quotes'],
    ['an alias in a list', policy('[*a]'), '3:10', 'must be in quotes'],
    ['an alias in a list without spaces', policy('[x,*a]'), '3:12', 'must be in quotes'],
    ['an alias at the beginning', '*a', '1:1', 'must be in quotes'],
    ['a tag', policy('!!str x'), '3:15', 'It uses the YAML tag "tag:yaml.org,2002:str"'],
  ])('with %s', async (_, text, at, sentence) => {
    const [fault] = await faults(text)
    expect(fault).toMatchObject({ code: 'POLICY_INVALID', at })
    expect(fault?.message).toContain(sentence)
  })

  test('at the first alias or tag only, with what to do', async () => {
    expect((await faults(`issued: &a x\n${policy('[*a, *a, !!str y]')}`)).map(({ hint }) => hint)).toEqual([
      'Write the value out where it is used.',
    ])
    expect((await faults(policy('[*a, *b]'))).map(({ hint }) => hint)).toEqual(['Put it in quotes: "*a".'])
    expect(await faults(policy('[!!str y, !!str y, *a]'))).toHaveLength(1)
  })

  test('but not for an asterisk or exclamation mark in a text', async () => {
    const found = await faults('version: 1\nrules: [{ name: "a *b !c", match: { path: a*b! }, signers: [{ key: a }] }]')
    expect(found).toEqual([])
  })

  test('unless a name of JSON allows only JSON', async () => {
    const rule = '"rules": [{ "name": "r", "match": { "path": "m" }, "signers": [{ "key": "a" }] }]'
    expect(await faults(`{ "version": 1, ${rule} }`, '/p.json')).toEqual([])
    for (const [text, at, reason] of [
      [`{ version: 1, ${rule} }`, '1:3', "expected property name or '}'."],
      [`{ "version": 1, ${rule}, }`, '1:100', 'expected double-quoted property name.'],
      [`version: 1`, '1:1', undefined],
      [`- "a"`, '1:2', undefined],
      [`{ "version": 1, 'rules': [] }`, '1:17', 'expected double-quoted property name.'],
      [`{ "version": 1, "maxAge": x }`, '1:27', undefined],
      [`{ "version": yes }`, '1:14', undefined],
      [`"a`, '1:3', 'unterminated string.'],
      ['# c\n? "a"\n: 1', '2:1', undefined],
      ['{ "version": *a }', '1:14', undefined],
      ['[', '1:2', 'unexpected end of JSON input.'],
      // The parser quotes the text, which is not a reason.
      ['Bad x at position 1', '1:1', undefined],
    ] as const) {
      const [fault, ...others] = await faults(text, '/p.json')
      expect(others).toEqual([])
      expect([text, fault?.at]).toEqual([text, at])
      expect(fault?.message).toContain('The file is named .json, but this is not JSON')
      if (reason === undefined) expect(fault?.message).toContain('but this is not JSON.')
      else expect(fault?.message).toContain(`but this is not JSON: ${reason}`)
    }
    expect((await faults('{ version: 1 }', '/p.jsonx')).every(({ message }) => !message.includes('not JSON'))).toBe(
      true,
    )
  })
})
