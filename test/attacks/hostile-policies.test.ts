import { join } from 'node:path'
import { loadPolicy, ModelSealError } from '@modelseal/core'
import { checkPolicy } from '@modelseal/core/policy'
import { describe, expect, test } from 'vitest'
import { publisherIn, scratchOfSuite, writeTree } from '../support/models.ts'

// Policy texts that are unusually expensive to read, or hide what they say.

const MIB = 1024 * 1024
const directory = scratchOfSuite()

async function refusal(text: string, name = 'policy.yaml'): Promise<ModelSealError> {
  writeTree(directory, { [name]: text })
  const error: unknown = await loadPolicy(join(directory, name)).catch((e: unknown) => e)
  if (error instanceof ModelSealError) return error
  throw new Error('the policy was accepted', { cause: error })
}

/** CPU time of the fastest of several runs, to which other programs add little. */
async function cost(text: string, name?: string): Promise<number> {
  let least = Infinity
  for (let run = 0; run < 3; run++) {
    const before = process.cpuUsage()
    await refusal(text, name)
    const { user, system } = process.cpuUsage(before)
    least = Math.min(least, user + system)
  }
  return least
}

const keys = (count: number, prefix = '') => Array.from({ length: count }, (_, i) => `${prefix}k${i}`)

describe('reading a policy takes time proportional to its length, for', () => {
  test.each<[string, (n: number) => string, string?]>([
    ['a block map', (n) => keys(n).join(': 1\n') + ': 1\n'],
    ['a flow map', (n) => `{${keys(n).join(': 1, ')}: 1}`],
    ['a map within others', (n) => `version: 1\ntrustRoots:\n${keys(n, '  ').join(': 1\n')}: 1\n`],
    ['JSON', (n) => `{"${keys(n).join('": 1, "')}": 1}`, 'policy.json'],
    ['entries that are all invalid', (n) => `version: 1\nrules:\n${'  - x\n'.repeat(n)}`],
  ])('%s', { timeout: 120_000 }, async (_, text, name) => {
    const size = 3_000
    // Four times the length takes four times as long, or sixteen times if each entry is compared with all others.
    expect((await cost(text(4 * size), name)) / (await cost(text(size), name))).toBeLessThan(9)
  })
})

describe('a policy is refused', () => {
  test.each([
    ['nested lists', '['.repeat(8 * MIB), '1:65'],
    ['nested maps', '{a: '.repeat(2 * MIB), '1:254'],
    ['lists on one line', '- '.repeat(4 * MIB), '1:128'],
    ['keys of keys', '? '.repeat(4 * MIB), '1:128'],
  ])('that nests endlessly, by %s', async (_, text, place) => {
    const error = await refusal(text)
    expect([error.code, `${error.line}:${error.column}`]).toEqual(['POLICY_INVALID', place])
    expect(error.message).toContain('The text is nested more than 64 levels deep.')
  })

  test('that has 80,000 keys, without comparing each with all others', async () => {
    const before = process.cpuUsage()
    const error = await refusal(`${keys(80_000).join(': 1\n')}: 1\n`)
    const { user, system } = process.cpuUsage(before)
    expect(error.code).toBe('POLICY_INVALID')
    // Comparing them takes 43 s of CPU time; otherwise, it is about 3 s.
    expect((user + system) / 1e6).toBeLessThan(15)
  })

  test('that has too many values', async () => {
    const error = await refusal(`version: 1\nrules: [${'a,'.repeat(3.9 * MIB)}]`)
    expect([error.code, error.line]).toEqual(['POLICY_INVALID', 2])
    expect(error.message).toContain('more than 1000000 values')
  })

  test.each([
    ['a number and its text', 'version: 1\ntrustRoots:\n  1: {}\n  "1": {}\n', '4:3', '"1" is a duplicate'],
    ['true and its text', 'version: 1\ntrustRoots: { true: {}, "true": {} }\n', '2:25', '"true" is a duplicate'],
    ['quotes of two kinds', `version: 1\ntrustRoots: { a: {}, 'a': {} }\n`, '2:22', '"a" is a duplicate'],
    ['escapes', 'version: 1\ntrustRoots: { a: {}, "\\x61": {} }\n', '2:22', '"a" is a duplicate'],
    ['a key without text', 'version: 1\ntrustRoots: { ~: {}, "": {} }\n', '2:22', '"" is a duplicate'],
    ['two spellings of a number', 'version: 1\ntrustRoots: { 1.0: {}, 1: {} }\n', '2:24', '"1" is a duplicate'],
    ['a list as key', 'version: 1\ntrustRoots: { [a]: {} }\n', '2:15', 'A key is a list or a map'],
    ['a map as key', 'version: 1\n? { a: b }\n: {}\n', '2:3', 'A key is a list or a map'],
    ['a key of a list', 'version: 1\nrules:\n  - name: r\n    "name": s\n', '4:5', '"name" is a duplicate'],
    ['a key in JSON', '{"version": 1, "version": 1}', '1:16', '"version" is a duplicate'],
    ['an alias as key', 'version: &v 1\n*v : 2\n', '2:1', 'YAML alias "*v"'],
    ['a merge of maps', '%YAML 1.1\n---\nversion: 1\n<<: { version: 2 }\n', '1:1', 'marked as YAML 1.1'],
  ])('if a key is repeated or is not text: %s', async (_, text, place, sentence) => {
    const error = await refusal(text)
    expect([error.code, `${error.line}:${error.column}`]).toEqual(['POLICY_INVALID', place])
    expect(error.message).toContain(sentence)
  })

  test.each([
    ['escapes', `a: "${'\\q'.repeat(MIB / 4)}"`],
    ['marks', ']'.repeat(MIB / 4)],
    ['directives', `${'%FOO\n'.repeat(MIB / 16)}---\na: 1\n`],
    ['tabs', `a:\n${'\t- x\n'.repeat(5_000)}`],
    ['duplicate keys', 'a: 1\n'.repeat(5_000)],
    ['unknown fields', keys(5_000).join(': 1\n') + ': 1\n'],
  ])('with at most a hundred problems, whatever the number of %s', async (_, text) => {
    writeTree(directory, { 'policy.yaml': text })
    const findings = await checkPolicy(join(directory, 'policy.yaml'))
    expect(findings).toHaveLength(100)
    expect(new Set(findings.map(({ code }) => code))).toEqual(new Set(['POLICY_INVALID']))
    expect(findings.reduce((sum, { message }) => sum + message.length, 0)).toBeLessThan(100_000)
  })
})

describe('checking a policy of many rules', () => {
  const rule = (i: number, match: string) => `  - name: r${i}\n    match: { ${match} }\n    signers: [{ key: a }]\n`
  const policy = (count: number, match: (i: number) => string) => {
    const { publicKey } = publisherIn(directory)
    writeTree(directory, {
      'policy.yaml': `version: 1\ntrustRoots:\n  a: { publicKey: ${JSON.stringify(publicKey)} }\nrules:\n${keys(count)
        .map((_, i) => rule(i, match(i)))
        .join('')}`,
    })
    return checkPolicy(join(directory, 'policy.yaml'))
  }

  test('finds an unreachable rule among many', async () => {
    const findings = await policy(1_000, (i) => (i === 999 ? 'path: "models/7/vad/x"' : `path: "models/${i}/**"`))
    expect(findings.map(({ code, message }) => [code, message.includes('"r7"')])).toEqual([
      ['POLICY_AGE_UNLIMITED', false],
      ['RULE_UNREACHABLE', true],
    ])
  })

  test('reports when there are too many to compare', async () => {
    const findings = await policy(1_500, (i) => `path: "models/${i}/**", name: "m${i}"`)
    expect(findings.map(({ code }) => code)).toEqual(['POLICY_AGE_UNLIMITED', 'RULES_UNCOMPARED'])
  })
})
