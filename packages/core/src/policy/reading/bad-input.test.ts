import { mkdir, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ModelSealError } from '../../errors.ts'
import { TestSite } from '../../testing/site.ts'
import { loadValidPolicy } from '../load-policy.ts'

let site: TestSite

beforeAll(async () => {
  site = await TestSite.make()
  await site.key('a')
  await site.write('not-a-key.pub', 'hello')
})
afterAll(() => site.remove())

async function refusal(content: string, name?: string): Promise<ModelSealError> {
  const path = await site.policy(content, name)
  try {
    await loadValidPolicy(path)
  } catch (error) {
    if (error instanceof ModelSealError) return error
    throw error
  }
  throw new Error('the policy was accepted')
}

const HEAD = 'version: 1\ntrustRoots:\n  a: { publicKey: a.pub }\n'
const RULE = 'rules:\n  - name: r\n    match: { path: "models/**" }\n    signers: [{ key: a }]\n'

describe('a policy is refused, with file, line and column, for', () => {
  test.each<[string, string, string, string]>([
    ['an unknown field', `${HEAD}${RULE}colour: red\n`, '8:1', '"colour" is not a known field'],
    [
      'an unknown field of a rule',
      `${HEAD}${RULE}    singers: []\n`,
      '8:5',
      '"singers" is not a known field of "rules.0"',
    ],
    [
      'an unknown field of a signer',
      `${HEAD}${RULE.replace('{ key: a }', '{ key: a, kye: b }')}`,
      '7:25',
      '"kye" is not a known field',
    ],
    [
      'an unknown kind of trust root',
      `version: 1\ntrustRoots:\n  a: { pubKey: a.pub }\n${RULE}`,
      '3:6',
      '"publicKey", or "certificates"',
    ],
    ['a wrong type', `version: "1"\n${HEAD.slice(11)}${RULE}`, '1:10', 'expected 1'],
    ['a number for a path', `version: 1\ntrustRoots:\n  a: { publicKey: 5 }\n${RULE}`, '3:19', 'expected'],
    [
      'a mode that does not exist',
      `${HEAD}${RULE}    mode: warn\n`,
      '8:11',
      'expected "enforce" or "audit" or "skip"; found "warn"',
    ],
    ['a name that is used twice', `${HEAD}${RULE}${RULE.slice(7)}`, '8:11', 'used twice'],
    ['a duplicate key in a map', `${HEAD}  a: { publicKey: b.pub }\n${RULE}`, '4:3', 'unique'],
    ['no signers', `${HEAD}rules:\n  - name: r\n    match: { path: "models/**" }\n`, '5:5', 'expected "signers"'],
    ['empty signers', `${HEAD}${RULE.replace('[{ key: a }]', '[]')}`, '7:14', 'expected at least 1 entry'],
    ['a duplicate signer', `${HEAD}${RULE.replace('[{ key: a }]', '[{ key: a }, { key: a }]')}`, '7:27', 'twice'],
    ['a signer of an unknown root', `${HEAD}${RULE.replace('key: a', 'key: b')}`, '7:15', 'No trust root is named "b"'],
    [
      'a signer of a root of another kind',
      `${HEAD}${RULE.replace('{ key: a }', '{ certificate: { root: a } }')}`,
      '7:15',
      'expected certificates',
    ],
    ['a threshold above the number of signers', `${HEAD}${RULE}    threshold: 2\n`, '8:16', 'expected at most 1'],
    ['a threshold of zero', `${HEAD}${RULE}    threshold: 0\n`, '8:16', 'expected at least 1; found 0'],
    ['no rules', HEAD, '1:1', 'no rules'],
    [
      'an empty match',
      `${HEAD}${RULE.replace('{ path: "models/**" }', '{}')}`,
      '6:12',
      'expected one of path, url, source, name, format',
    ],
    ['an ambiguous glob', `${HEAD}${RULE.replace('models/**', 'models/[ab]')}`, '6:20', 'means different things'],
    [
      'a globstar that is not a whole component',
      `${HEAD}${RULE.replace('models/**', 'models/a**')}`,
      '6:20',
      'must stand alone between slashes',
    ],
    [
      'the mode skip without a reason',
      `${HEAD}rules:\n  - name: r\n    match: { path: "models/**" }\n    mode: skip\n`,
      '7:11',
      '"reason"',
    ],
    [
      'the mode skip for everything',
      `${HEAD}rules:\n  - name: r\n    match: { path: "**" }\n    mode: skip\n    reason: lazy\n`,
      '6:12',
      'names a directory or host, without wildcards',
    ],
    ...['/**', '../**', '/*/**', '{models/x,**}'].map((glob): [string, string, string, string] => [
      `the mode skip for nearly everything: path ${glob}`,
      `${HEAD}rules:\n  - name: r\n    match: { path: "${glob}" }\n    mode: skip\n    reason: lazy\n`,
      '6:12',
      'names a directory or host, without wildcards',
    ]),
    ...[
      'https://**',
      'https://*/**',
      'https://*.example/m/**',
      '**/m',
      'https:/m',
      'hf://**',
      'hf://*/vad',
      'hf://datasets/**',
      'hf://datasets/*/data',
      'oci://registry.example/**',
      'oci://*/org/vad',
    ].map((glob): [string, string, string, string] => [
      `the mode skip for nearly everything: url ${glob}`,
      `${HEAD}rules:\n  - name: r\n    match: { url: "${glob}" }\n    mode: skip\n    reason: lazy\n`,
      '6:12',
      'names a directory or host, without wildcards',
    ]),
    ...['hf://**', 'hf://*/vad', 'hf://org*/vad', 'hf://{org,*}/vad', 'oci://**', 'oci://*/org/vad'].map(
      (glob): [string, string, string, string] => [
        `the mode skip for nearly everything: source ${glob}`,
        `${HEAD}rules:\n  - name: r\n    match: { source: "${glob}" }\n    mode: skip\n    reason: lazy\n`,
        '6:12',
        'and an organisation on a hub or registry',
      ],
    ),
    [
      'a source with a revision',
      `${HEAD}rules:\n  - name: r\n    match: { source: "hf://org/vad@v1" }\n    signers: [{ key: k }]\n`,
      '6:22',
      'sources are compared without their revision',
    ],
    ...(
      [
        ['models/v/', 'write \\"models/v/**\\"'],
        ['/', 'ends with a slash'],
        ['./', 'ends with a slash'],
        ['./!a', 'means different things to different tools'],
        ['models//v', 'empty component'],
        ['{a,}/v', 'empty component'],
        ['{/srv,models}/v', 'empty component'],
        ['models/./v', '"."'],
        ['.', '"."'],
        ['././v', '"."'],
        ['x/../models/v', '".."'],
        ['/../v', '".."'],
        ['**/../v', '".."'],
      ] as const
    ).map(([glob, why]): [string, string, string, string] => [
      `a path glob that cannot match: ${glob}`,
      `${HEAD}${RULE.replace('models/**', glob)}`,
      '6:20',
      why.replaceAll('\\"', '"'),
    ]),
    [
      'the mode skip for a format',
      `${HEAD}rules:\n  - name: r\n    match: { format: onnx }\n    mode: skip\n    reason: lazy\n`,
      '6:12',
      'names a directory or host, without wildcards',
    ],
    [
      'memory under a mode other than skip',
      `${HEAD}rules:\n  - name: r\n    match: { memory: any }\n    signers: [{ key: a }]\n`,
      '6:22',
      'expected the mode skip',
    ],
    [
      'memory beside a path',
      `${HEAD}rules:\n  - name: r\n    match: { memory: any, path: models/** }\n    mode: skip\n    reason: r\n`,
      '6:33',
      '`memory` cannot be combined with path, url, source or name',
    ],
    [
      'memory by a digest of another algorithm',
      `${HEAD}rules:\n  - name: r\n    match: { memory: "md5:00" }\n    mode: skip\n    reason: r\n`,
      '6:22',
      'expected sha256:',
    ],
    ['the mode skip with signers', `${HEAD}${RULE}    mode: skip\n    reason: r\n`, '7:14', 'expected none'],
    [
      'a name that anybody can claim',
      `${HEAD}${RULE.replace('path:', 'name:')}    mode: audit\n`,
      '6:20',
      'anybody can claim it',
    ],
    [
      'a regular expression with a back-reference',
      `${HEAD}${RULE}revoked: { identities: [{ identity: { regexp: "(a)\\\\1" } }] }\n`,
      '8:47',
      'regular expression',
    ],
    [
      'a regular expression with look-ahead',
      `${HEAD}${RULE}revoked: { identities: [{ identity: { regexp: "(?=a)+" } }] }\n`,
      '8:47',
      'regular expression',
    ],
    ['a digest in capitals', `${HEAD}${RULE}revoked: { rootDigests: [${'A'.repeat(64)}] }\n`, '8:26', 'lowercase hex'],
    [
      'a digest that YAML takes for a number',
      `${HEAD}${RULE}revoked: { keys: [${'1'.repeat(64)}] }\n`,
      '8:19',
      'expected',
    ],
    [
      'a window that ends before it begins',
      `${HEAD}${RULE}revoked: { keys: [{ fingerprint: ${'a'.repeat(64)}, from: "2026-02-01T00:00:00Z", until: "2026-01-01T00:00:00Z" }] }\n`,
      '8:137',
      'the beginning of the period',
    ],
    [
      'a key window that ends before it begins',
      `version: 1\ntrustRoots:\n  a: { publicKey: { file: a.pub, notBefore: "2026-02-01T00:00:00Z", notAfter: "2026-01-01T00:00:00Z" } }\n${RULE}`,
      '3:79',
      'the beginning of the period',
    ],
    ['a date without a time', `${HEAD}${RULE}issued: 2026-01-01\n`, '8:9', 'a time with a time zone'],
    ['maxAge without issued', `${HEAD}${RULE}maxAge: 30d\n`, '8:9', '"issued"'],
    [
      'a duration in words',
      `${HEAD}${RULE}issued: 2026-01-01T00:00:00Z\nmaxAge: a while\n`,
      '9:9',
      'a duration such as 180d',
    ],
    ['an alias', `${HEAD}${RULE}    reason: &x why\nmaxAge: *x\n`, '9:9', 'alias'],
    ['a tag', `${HEAD}${RULE}    reason: !!binary aGk=\n`, '8:22', 'tag:yaml.org,2002:binary'],
    ['text that is not YAML', 'version: [1\n', '2:1', ''],
    ['two documents', `${HEAD}${RULE}---\nversion: 1\n`, '8:1', 'multiple documents'],
  ])('%s', async (_, content, place, sentence) => {
    const error = await refusal(content)
    expect(error.code).toBe('POLICY_INVALID')
    expect(`${error.line}:${error.column} ${error.message}`).toContain(`${place} `)
    expect(error.message).toContain(sentence)
    expect(error.message).toContain(`line ${error.line}, column ${error.column}`)
    expect(error.file).toMatch(/policy-\d+\.yaml$/)
  })

  test.each<[string, string]>([
    ['[]', 'column 1: expected fields with values; found a list.'],
    ['version: 1\nrules: null', '"rules": expected a list; found nothing.'],
    ['version: 1\nrules: [{}]', '"rules.0.name": expected text; it is missing.'],
    ['version: 1\nrules: [{ name: "" }]', '"rules.0.name": expected text that is not empty; found ""'],
    [`version: 1\nrules: [{ name: ${'x'.repeat(201)} }]`, '"rules.0.name": expected at most 200 characters; found'],
    [`${HEAD}${RULE}    threshold: 1.5`, '"rules.0.threshold": expected an integer; found 1.5.'],
    [`version: 1\ninclude: [${'x, '.repeat(65)}]`, '"include": expected at most 64 entries.'],
    ['version: 1\ntrustRoots: { "": { publicKey: a.pub } }', 'expected a name of 1 to 200 characters'],
    [`version: 1\ntrustRoots: { ${'x'.repeat(201)}: { publicKey: a.pub } }`, 'expected a name of 1 to 200 characters'],
    ['version: 1\ntrustRoots: { a: { publicKey: 5 } }', 'expected text, or fields with values, or a list; found 5.'],
    [
      `${HEAD}${RULE.replace('{ path: "models/**" }', '{ format: TFLite }')}`,
      'expected "onnx" or "tfjs-graph" or "tfjs-layers" or "saved-model" or "dataset" or "any", or the format of another adapter (1 to 40 lower-case letters, digits and hyphens), or a list; found "TFLite".',
    ],
    [
      `${HEAD}${RULE.replace('{ path: "models/**" }', '{ format: onxn }')}`,
      'line 6, column 22: "rules.0.match.format": unknown format; a name one typo away from a known format is not allowed; found "onxn". Did you mean "onnx"?',
    ],
    [
      `${HEAD}${RULE.replace('{ path: "models/**" }', '{ format: [gguf, tfjsgraph] }')}`,
      'line 6, column 29: "rules.0.match.format.1": unknown format; a name one typo away from a known format is not allowed; found "tfjsgraph". Did you mean "tfjs-graph"?',
    ],
    [`${HEAD}${RULE.replace('{ path: "models/**" }', '{ format: [any] }')}`, 'found "any".'],
    [`${HEAD}${RULE}    require: { timestamp: please }`, 'expected true or false; found "please".'],
  ])('%#: a problem, in terms that the author knows', async (content, sentence) => {
    const { message } = await refusal(content)
    expect(message).toContain(sentence)
    // Terms of the schema library.
    expect(message).not.toMatch(/Invalid|Too (?:small|big)|received|[<>]=|string|array|object|undefined/)
  })

  test.each([
    ['version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n', 'is a Git LFS pointer'],
    ['<!DOCTYPE html>\n<html></html>', 'is a web page'],
    [Buffer.from('version: 1\n', 'utf16le').toString(), 'probably UTF-16. Save it as UTF-8.'],
  ])('what has replaced the policy (%#)', async (content, sentence) => {
    const { code, message } = await refusal(content)
    expect(code).toBe('POLICY_INVALID')
    expect(message).toContain(sentence)
    expect(message).not.toContain('u{0}')
  })

  test('maxAge without issued is not blamed on another field', async () => {
    const { message } = await refusal(`${HEAD}${RULE}maxAge: 30d\n`)
    expect(message).toMatch(
      /expected "issued" beside maxAge: the time to count from\. An invalid policy accepts nothing\.$/,
    )
  })

  test('a key file that does not exist', async () => {
    const error = await refusal(`version: 1\ntrustRoots:\n  a: { publicKey: missing.pub }\n${RULE}`)
    expect([error.code, error.line, error.column]).toEqual(['FILE_NOT_FOUND', 3, 19])
    expect(error.message).toContain('missing.pub')
  })
  test('a key file without a key', async () => {
    const error = await refusal(`version: 1\ntrustRoots:\n  a:\n    publicKey: [a.pub, not-a-key.pub]\n${RULE}`)
    expect([error.code, error.line, error.column]).toEqual(['KEY_INVALID', 4, 24])
  })
})

describe('a policy is refused for', () => {
  test('nested aliases, at once', async () => {
    let bomb = 'a0: &a0 [x]\n'
    for (let i = 1; i < 40; i++) bomb += `a${i}: &a${i} [${`*a${i - 1},`.repeat(9)}]\n`
    expect((await refusal(bomb)).code).toBe('POLICY_INVALID')
  })
  test('excessive nesting', async () => {
    expect((await refusal('['.repeat(50_000))).code).toBe('POLICY_INVALID')
    expect((await refusal('{"a":'.repeat(50_000), 'nested.json')).code).toBe('POLICY_INVALID')
  })
  test('its size', async () => {
    expect((await refusal(`# ${'x'.repeat(9 * 1024 * 1024)}`)).code).toBe('FILE_TOO_LARGE')
  })
  test('bytes that are not UTF-8', async () => {
    const path = await site.write('latin1.yaml', Buffer.from('version: 1 # \xe9', 'latin1'))
    await expect(loadValidPolicy(path)).rejects.toMatchObject({ code: 'POLICY_INVALID' })
  })
  test('being empty or not a map', async () => {
    expect((await refusal('')).code).toBe('POLICY_INVALID')
    expect((await refusal('just text')).code).toBe('POLICY_INVALID')
    expect((await refusal('null', 'null.json')).code).toBe('POLICY_INVALID')
  })
  test('being a directory or missing', async () => {
    await mkdir(site.file('directory.yaml'))
    await expect(loadValidPolicy(site.file('directory.yaml'))).rejects.toMatchObject({ code: 'FILE_SPECIAL' })
    await expect(loadValidPolicy(site.file('nowhere.yaml'))).rejects.toMatchObject({ code: 'POLICY_NOT_FOUND' })
  })
  test('being named .json and written in YAML', async () => {
    const error = await refusal(`${HEAD}${RULE}`, 'really.json')
    expect(error.message).toContain('is not JSON')
    expect([error.line, error.column]).toEqual([1, 1])
  })
  test.each([
    ['{"version": 1,\n "rules": [],}', [2, 14]],
    ['{"version": 1,\n "rules": [a]}', [2, 12]],
    ["{'version': 1}", [1, 2]],
    ['{"version":\n  1 # one\n}', [2, 5]],
    ['{"version": 1', [1, 14]],
  ])('invalid JSON in a file named .json, with its position: %s', async (content, place) => {
    const error = await refusal(content, 'nearly.json')
    expect([error.code, error.line, error.column]).toEqual(['POLICY_INVALID', ...place])
  })
  test.each([
    ['{"version": 1,, "rules": []}', [1, 15], 'expected double-quoted property name'],
    ['{"version": 1]', [1, 14], "expected ',' or '}' after property value"],
    ['{"version": 1', [1, 14], "expected ',' or '}' after property value"],
    ['{"version": "1', [1, 15], 'unterminated string'],
    ['{"version": 1}}', [1, 15], 'unexpected non-whitespace character after JSON'],
    ['[{"version": @}]', [1, 14], ''],
  ])('invalid JSON in a file named .json, in the words of JSON: %s', async (content, place, reason) => {
    const error = await refusal(content, 'words.json')
    expect([error.code, error.line, error.column]).toEqual(['POLICY_INVALID', ...place])
    expect(error.message).toContain(`this is not JSON${reason === '' ? '.' : `: ${reason}`}`)
  })
  test('a duplicate key in JSON, with its position', async () => {
    const error = await refusal('{\n "version": 1,\n "version": 1\n}', 'twice.json')
    expect([error.code, error.line]).toEqual(['POLICY_INVALID', 3])
  })
})

describe('includes', () => {
  const baseline = `version: 1\nrevoked: { rootDigests: [${'a'.repeat(64)}] }\n`

  test('put the rules of included files first, and combine all roots and revocations', async () => {
    await site.policy(`version: 1\n${RULE.replace('name: r', 'name: central')}`, 'inc/rules.yaml')
    await site.policy(baseline, 'inc/revoked.yaml')
    await site.policy(
      `${HEAD.replace('a.pub', '../a.pub')}include: [rules.yaml, revoked.yaml, rules.yaml]\n${RULE}`,
      'inc/policy.yaml',
    )
    const policy = await loadValidPolicy(site.file('inc/policy.yaml'))
    expect(policy.rules.map(({ name }) => name)).toEqual(['central', 'r'])
    expect(policy.revocations.rootDigest('a'.repeat(64), undefined)?.code).toBe('MODEL_REVOKED')
    expect([...policy.files.keys()].map((file) => file.slice(site.path.length + 1))).toEqual([
      'inc/policy.yaml',
      'inc/rules.yaml',
      'inc/revoked.yaml',
      'a.pub',
    ])
  })
  test('are refused if they are circular', async () => {
    await site.policy('version: 1\ninclude: [round-b.yaml]\n', 'round-a.yaml')
    expect((await refusal('version: 1\ninclude: [round-a.yaml]\n', 'round-b.yaml')).message).toContain('again')
    expect((await refusal('version: 1\ninclude: [self.yaml]\n', 'self.yaml')).message).toContain('again')
  })
  test('are refused outside the directory of the policy, by name and by link', async () => {
    await site.policy(baseline, 'outside.yaml')
    expect((await refusal('version: 1\ninclude: [../outside.yaml]\n', 'below/p.yaml')).message).toContain('is outside')
    expect(
      (await refusal(`version: 1\ninclude: ["${site.file('outside.yaml')}"]\n`, 'below/q.yaml')).message,
    ).toContain('is outside')
    await symlink(site.file('outside.yaml'), join(site.file('below'), 'link.yaml'))
    expect((await refusal('version: 1\ninclude: [link.yaml]\n', 'below/r.yaml')).message).toContain('is outside')
  })
  test('are refused if one is missing or invalid', async () => {
    const missing = await refusal('version: 1\ninclude:\n  - nowhere.yaml\n')
    expect([missing.code, missing.line, missing.column]).toEqual(['POLICY_NOT_FOUND', 3, 5])
    await site.policy('version: 1\nrulez: []\n', 'broken.yaml')
    const broken = await refusal('version: 1\ninclude: [broken.yaml]\n')
    expect([broken.file, broken.line]).toEqual([site.file('broken.yaml'), 2])
  })
  test('are refused if two files define the same name', async () => {
    await site.policy(`${HEAD}${RULE}`, 'same.yaml')
    expect((await refusal(`${HEAD}include: [same.yaml]\n`)).message).toContain('defined twice')
  })
  test('are refused beyond the maximum depth', async () => {
    for (let i = 0; i < 12; i++) await site.policy(`version: 1\ninclude: [deep-${i + 1}.yaml]\n`, `deep-${i}.yaml`)
    await site.policy(baseline, 'deep-12.yaml')
    expect((await loadValidPolicy(site.file('deep-0.yaml')).catch((e: unknown) => e)) as Error).toMatchObject({
      code: 'POLICY_INVALID',
    })
  })
  test('each have their own age', async () => {
    const { checkFresh } = await import('../policy.ts')
    await site.policy('version: 1\nissued: 2020-01-01T00:00:00Z\nmaxAge: 1d\n', 'old.yaml')
    const policy = await loadValidPolicy(await site.policy(`${HEAD}include: [old.yaml]\n${RULE}`))
    expect(() => checkFresh(policy, Date.now())).toThrow(expect.objectContaining({ code: 'POLICY_STALE' }))
    expect(() => checkFresh(policy, Date.parse('2020-01-01T12:00:00Z'))).not.toThrow()
  })
})
