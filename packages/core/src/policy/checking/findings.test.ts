import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { authority, inDays, pemOf } from '../../testing/authority.ts'
import { TestSite } from '../../testing/site.ts'
import { RuleOrder } from '../matching/unreachable.ts'
import { loadCompiledPolicy } from '../load-policy.ts'
import { checkPolicy } from './check.ts'
import { policyFindings } from './findings.ts'

let site: TestSite

beforeAll(async () => {
  site = await TestSite.make()
  for (const name of ['a', 'b']) await site.key(name)
  await site.write('root.pem', pemOf(await authority('Root', { notAfter: inDays(400) })))
})
afterAll(() => site.remove())
afterEach(() => void vi.restoreAllMocks())

const AGE = { issued: '2026-01-01T00:00:00Z', maxAge: 'P100Y' }
const RULE = { name: 'r', match: { path: 'm' }, signers: [{ key: 'a' }] }
const ROOTS = { a: { publicKey: 'a.pub' } }

async function findings(policy: object) {
  const path = await site.policy({ version: 1, ...AGE, trustRoots: ROOTS, rules: [RULE], ...policy })
  return (await checkPolicy(path)).map(({ file, ...finding }) => ({ ...finding, inside: file !== path }))
}

const messages = async (policy: object) => (await findings(policy)).map(({ code, message }) => `${code}: ${message}`)

describe('the findings about a policy', () => {
  test('have their places', async () => {
    expect(await findings({ rules: [{ ...RULE, mode: 'audit' }] })).toEqual([
      {
        severity: 'warning',
        code: 'MODE_AUDIT',
        message: 'The rule "r" loads models even if the check refuses them.',
        line: 8,
        column: 5,
        inside: false,
      },
    ])
  })

  test('are in the order of lines and of files', async () => {
    await site.policy({ version: 1, rules: [{ ...RULE, name: 's', mode: 'audit' }] }, 'included.yaml')
    const rules = [
      { ...RULE, mode: 'audit', match: { path: '~/m' } },
      { ...RULE, name: 'skipped', match: { path: 'x' }, mode: 'skip', reason: 'x', signers: undefined },
    ]
    const found = await findings({
      include: ['included.yaml'],
      trustRoots: { ...ROOTS, b: { publicKey: 'b.pub' } },
      rules,
    })
    expect(found.map(({ code, inside }) => `${code} ${inside}`)).toEqual([
      'ROOT_UNUSED false',
      'MODE_AUDIT false',
      'PATH_MISSPELT false',
      'MODE_SKIP false',
      'MODE_AUDIT true',
    ])
  })

  test('are in the order of columns if they are in one line', async () => {
    const trustRoots = { ...ROOTS, b: { publicKey: 'b.pub' } }
    const text = JSON.stringify({ version: 1, ...AGE, rules: [{ ...RULE, mode: 'audit' }], trustRoots })
    const found = await checkPolicy(await site.policy(text))
    expect(found.map(({ code, line }) => `${line} ${code}`)).toEqual(['1 MODE_AUDIT', '1 ROOT_UNUSED'])
  })

  test('do not hide a programming error', async () => {
    const compiled = await loadCompiledPolicy(
      await site.policy({ version: 1, ...AGE, trustRoots: ROOTS, rules: [RULE] }),
    )
    const { ages } = compiled.policy
    let calls = 0
    const failing = () => {
      if (calls++ === 0) throw new TypeError('ours')
      return ages
    }
    const policy = Object.create(compiled.policy, { ages: { get: failing } }) as typeof compiled.policy
    expect(() => policyFindings({ ...compiled, policy })).toThrow(TypeError)
  })

  test('are only the errors if there are any', async () => {
    const found = await findings({ rules: [{ ...RULE, mode: 'audit', signers: [{ key: 'x' }] }] })
    expect(found).toEqual([
      expect.objectContaining({ severity: 'error', code: 'POLICY_INVALID', line: expect.any(Number) as number }),
    ])
    expect(found[0]?.message).toMatch(/^No trust root is named "x"/)
  })

  test('point at the fields of a rule', async () => {
    const match = { path: '~/m', format: 'gguf' }
    const require = { attestations: [{ type: 'evaluation', threshold: 2 }] }
    expect(await findings({ rules: [{ ...RULE, match, require }] })).toMatchObject([
      { code: 'PATH_MISSPELT', line: 10, column: 13 },
      { code: 'FORMAT_UNKNOWN', line: 11, column: 15 },
      { code: 'REQUIREMENT_UNMEETABLE', line: 17, column: 22 },
    ])
  })

  test('begin with misspelt fields, whatever their lines', async () => {
    const found = await findings({ rules: [{ ...RULE, threshold: 'two', singers: [] }] })
    expect(found.map(({ message }) => /singers|threshold/.exec(message)?.[0])).toEqual(['singers', 'threshold'])
  })

  test('have no line if the file as a whole is wrong', async () => {
    const found = await checkPolicy(await site.policy('\u{0}'))
    expect(found).toStrictEqual([
      {
        severity: 'error',
        code: 'POLICY_INVALID',
        message: expect.stringContaining('not UTF-8') as string,
        file: expect.stringContaining(site.path) as string,
      },
    ])
  })
})

describe('a trust root', () => {
  test('is unused if no rule names it', async () => {
    const trustRoots = { ...ROOTS, b: { publicKey: 'b.pub' }, tsa: { timestampAuthorities: 'root.pem' } }
    expect(await messages({ trustRoots })).toEqual(['ROOT_UNUSED: No rule names the trust root "b".'])
  })
})

describe('a rule', () => {
  test('is never reached, or reached around', async () => {
    const rules = [
      { ...RULE, name: 'named', match: { path: 'a', name: 'n' } },
      { ...RULE, match: { path: 'a' } },
      { ...RULE, name: 'again', match: { path: 'a' } },
    ]
    expect(await messages({ rules })).toEqual([
      'NAME_AVOIDABLE: The rule "named" matches a name that bundles claim: if the bundle is removed or claims another name, the rule "r" may apply to the same model.',
      'RULE_UNREACHABLE: The rule "again" is never reached: the rule "r" before it matches the same models.',
    ])
  })

  test('is not compared with all others if there are too many', async () => {
    vi.spyOn(RuleOrder.prototype, 'complete', 'get').mockReturnValue(false)
    expect(await findings({})).toMatchObject([{ severity: 'note', code: 'RULES_UNCOMPARED', line: 8 }])
  })

  test('skips the check', async () => {
    const rules = [RULE, { name: 's', match: { path: 'x' }, mode: 'skip', reason: 'x' }]
    expect(await messages({ rules })).toEqual(['MODE_SKIP: The rule "s" loads its models without any check.'])
  })

  test('cannot accept anything, in a sentence', async () => {
    expect(await findings({ rules: [{ ...RULE, require: { transparencyLog: true } }] })).toMatchObject([
      {
        severity: 'error',
        code: 'REQUIREMENT_UNMEETABLE',
        message:
          'The rule "r" cannot accept anything: it requires a transparency log, and only keyless signatures are in one.',
        line: 14,
      },
    ])
  })

  test.each([
    ['**', 15],
    [['a', '**/*'], 16],
    ['*', 15],
    ['?*', 15],
    ['a/**', undefined],
    [undefined, undefined],
  ])('that allows %j to be unsigned allows every file, in line %s', async (unsigned, line) => {
    const found = await findings({ rules: [{ ...RULE, require: { files: 'all', unsigned } }] })
    expect(found.map(({ severity, code, line }) => `${severity} ${code} ${line}`)).toEqual(
      line === undefined ? [] : [`warning UNSIGNED_BROAD ${line}`],
    )
  })
})

describe('the age of a policy', () => {
  test('is unlimited without "issued" and "maxAge"', async () => {
    expect(await findings({ issued: undefined, maxAge: undefined })).toMatchObject([
      { severity: 'note', code: 'POLICY_AGE_UNLIMITED', line: 1, inside: false },
    ])
  })

  test('is limited by an included file', async () => {
    await site.policy({ version: 1, ...AGE }, 'aged.yaml')
    expect(await findings({ issued: undefined, maxAge: undefined, include: ['aged.yaml'] })).toEqual([])
  })

  test('may be over in an included file', async () => {
    await site.policy({ version: 1, issued: '2020-01-01T00:00:00Z', maxAge: '1d' }, 'old.yaml')
    const found = await findings({ include: ['old.yaml'] })
    expect(found).toMatchObject([{ severity: 'error', code: 'POLICY_STALE', line: 2, inside: true }])
    await site.policy({ version: 1, ...AGE }, 'aged.yaml')
    const own = await findings({ issued: '2020-01-01T00:00:00Z', maxAge: '1d', include: ['aged.yaml'] })
    expect(own).toMatchObject([{ severity: 'error', code: 'POLICY_STALE', line: 2, inside: false }])
  })
})
