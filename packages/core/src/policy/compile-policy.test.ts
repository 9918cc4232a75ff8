import { beforeAll, describe, expect, test } from 'vitest'
import { authority, pemOf } from '../testing/authority.ts'
import { keyPair } from '../testing/bundles.ts'
import { scratch } from '../testing/scratch.ts'
import { join } from 'node:path'
import { compilePolicy } from './compile-policy.ts'
import { usedRoots } from './rule.ts'

const KEY = keyPair().publicKey.key.export({ type: 'spki', format: 'pem' }).toString()
let certificate: string
let der: Buffer

beforeAll(async () => {
  const root = await authority('Root')
  certificate = pemOf(root)
  der = root.der
})

const ROOTS = { a: { publicKey: 'a.pub' }, b: { publicKey: 'b.pub' }, ca: { certificates: { roots: 'ca.pem' } } }
const RULE = { name: 'r', match: { path: 'm' }, signers: [{ key: 'a' }] }

/** Compiles a policy that is written as pretty-printed JSON, beside other files. */
async function compiled(policy: object, files: Record<string, object> = {}) {
  const directory = scratch({
    'a.pub': KEY,
    'b.pub': keyPair().publicKey.key.export({ type: 'spki', format: 'pem' }).toString(),
    'ca.pem': certificate,
    'policy.json': JSON.stringify({ version: 1, ...policy }, undefined, 1),
    ...Object.fromEntries(Object.entries(files).map(([name, file]) => [name, JSON.stringify({ version: 1, ...file })])),
  })
  const path = join(directory, 'policy.json')
  const reading = await compilePolicy(path)
  return { ...reading, directory, path, faults: reading.problems.map(({ code, message }) => `${code} ${message}`) }
}

const faultOf = async (policy: object) => (await compiled(policy)).faults

describe('a compiled rule', () => {
  test('has defaults', async () => {
    const { policy, problems, path } = await compiled({ trustRoots: ROOTS, rules: [RULE] })
    expect(problems).toEqual([])
    const [rule] = policy.rules
    expect(rule).toMatchObject({
      name: 'r',
      file: path,
      mode: 'enforce',
      threshold: 1,
      bundle: undefined,
      reason: undefined,
      attestations: [],
      require: { files: 'all' },
      signers: [{ method: 'key', root: 'a' }],
    })
    expect(rule?.demands.map(({ requirement }) => requirement.step)).toEqual(['key-validity'])
    expect(Object.getPrototypeOf(rule?.match)).toBeNull()
  })

  test('has what it is given', async () => {
    const { policy } = await compiled({
      trustRoots: ROOTS,
      rules: [
        {
          ...RULE,
          mode: 'audit',
          reason: 'new',
          threshold: 2,
          bundle: 'sigs/*.sig',
          signers: [{ key: 'a' }, { key: 'b' }],
          require: { files: 'loaded', timestamp: true, attestations: [{ type: 'evaluation' }] },
        },
      ],
    })
    const [rule] = policy.rules
    expect(rule).toMatchObject({ mode: 'audit', reason: 'new', threshold: 2, require: { files: 'loaded' } })
    expect(rule?.bundle?.written).toEqual(['sigs/*.sig'])
    expect(rule?.bundle?.globs.map(({ matches }) => matches('sigs/x.sig'))).toEqual([true])
    expect(rule?.demands.map(({ requirement }) => requirement.step)).toEqual(['key-validity', 'timestamp'])
    expect(rule?.attestations).toMatchObject([{ type: 'evaluation', signers: [{ root: 'a' }, { root: 'b' }] }])
  })

  test('may name other signers for attestations, whose trust roots are used, too', async () => {
    const attestations = [{ type: 'evaluation', signers: [{ key: 'b' }] }]
    const { policy } = await compiled({
      trustRoots: { ...ROOTS, unused: { publicKey: 'a.pub' } },
      rules: [{ ...RULE, require: { attestations } }],
      advisories: [{ file: 'feed.json', signers: [{ certificate: { root: 'ca' } }] }],
    })
    expect(policy.rules[0]?.attestations).toMatchObject([{ signers: [{ root: 'b' }] }])
    expect(usedRoots(policy)).toEqual(new Set(['a', 'b', 'ca']))
  })

  test('may name no signers in the mode skip', async () => {
    const { policy, problems } = await compiled({
      rules: [{ name: 'r', match: { path: 'm' }, mode: 'skip', reason: 'x' }],
    })
    expect(problems).toEqual([])
    expect(policy.rules).toMatchObject([{ mode: 'skip', signers: [], demands: [{}] }])
  })
})

describe('a policy has a problem if', () => {
  test('it has no rules', async () => {
    const { problems } = await compiled({ trustRoots: ROOTS })
    expect(problems).toMatchObject([{ code: 'POLICY_INVALID', line: 1, expected: '"rules"' }])
  })

  test('it cannot be read, which is the only one', async () => {
    const { policy, problems } = await compiled({ version: 2 })
    expect(problems).toMatchObject([{ code: 'POLICY_INVALID' }])
    expect(policy).toMatchObject({ rules: [], texts: { file: '', includes: [] } })
  })

  test('it has no rules and another problem, which is the only one', async () => {
    expect(await faultOf({ trustRoots: { a: { publicKey: 'none.pub' } } })).toEqual([
      expect.stringContaining('FILE_NOT_FOUND'),
    ])
  })

  test('two rules have one name, even in different files', async () => {
    const second = await faultOf({ trustRoots: ROOTS, rules: [RULE, { ...RULE, name: 's' }, RULE] })
    expect(second).toEqual([expect.stringMatching(/^POLICY_INVALID.*line 4\d.*"r" is used twice/)])
    const included = await compiled(
      { include: ['b.json'], trustRoots: ROOTS, rules: [RULE] },
      { 'b.json': { rules: [RULE] } },
    )
    expect(included.problems).toMatchObject([{ file: included.path }])
  })

  test('a signer is in a list twice', async () => {
    const signers = [{ key: 'a' }, { key: 'b' }, { key: 'a' }]
    const { problems } = await compiled({ trustRoots: ROOTS, rules: [{ ...RULE, signers }] })
    expect(problems).toMatchObject([{ code: 'POLICY_INVALID' }])
    expect(problems[0]?.message).toContain('twice')
    const attestations = [{ type: 'evaluation' }, { type: 'model-card', signers }]
    const own = await compiled({ trustRoots: ROOTS, rules: [{ ...RULE, require: { attestations } }] })
    expect(own.problems).toHaveLength(1)
    // The line of the third signer of the second attestation.
    const lines = JSON.stringify(
      { version: 1, trustRoots: ROOTS, rules: [{ ...RULE, require: { attestations } }] },
      undefined,
      1,
    )
    const last = lines.split('\n').findLastIndex((line) => line.includes('"key": "a"'))
    expect(own.problems[0]?.line).toBe(last)
  })

  test.each<[string, object, string]>([
    ['nobody', ROOTS, 'No trust root is named "nobody". The policy has: "a", "b", "ca".'],
    ['nobody', {}, 'No trust root is named "nobody". The policy has: none.'],
    [
      'relaese',
      { release: ROOTS.a },
      'No trust root is named "relaese". Did you mean "release"? The policy has: "release".',
    ],
    ['ca', ROOTS, 'The trust root "ca" is certificates; expected public keys.'],
  ])('a signer names the trust root %s', async (key, trustRoots, message) => {
    const [fault] = await faultOf({ trustRoots, rules: [{ ...RULE, signers: [{ key }] }] })
    expect(fault).toContain(message)
  })

  test('a signer names none of many trust roots, of which it says ten', async () => {
    const many = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, index) => [`root-${index}`, ROOTS.a]))
    const rules = [{ ...RULE, signers: [{ key: 'nobody' }] }]
    const [ten, twelve] = [
      await faultOf({ trustRoots: many(10), rules }),
      await faultOf({ trustRoots: many(12), rules }),
    ]
    expect(ten[0]).toMatch(/"root-8", "root-9"\. /)
    expect(twelve[0]).toMatch(/"root-8", "root-9" and 2 more\. /)
  })
})

describe('a compiled policy', () => {
  test('has the rules and texts of all files, included ones first', async () => {
    const { policy, sources } = await compiled(
      { include: ['b.json', 'c.json'], trustRoots: ROOTS, rules: [RULE] },
      { 'b.json': { rules: [{ ...RULE, name: 'first' }] }, 'c.json': { rules: [{ ...RULE, name: 'second' }] } },
    )
    expect(policy.rules.map(({ name }) => name)).toEqual(['first', 'second', 'r'])
    const [first, second, own] = sources.map(({ sha256 }) => sha256)
    expect(policy.texts).toEqual({ file: own, includes: [first, second] })
    expect(policy.digests?.file).toBe(own)
    expect([...policy.files.keys()].map((path) => path.replace(/.*\//, '')).sort()).toEqual(
      expect.arrayContaining(['a.pub', 'b.json', 'policy.json']),
    )
  })

  test('has the revocations of all files', async () => {
    const [one, two] = ['a', 'b'].map((digit) => digit.repeat(64)) as [string, string]
    const { policy } = await compiled(
      {
        include: ['b.json'],
        trustRoots: ROOTS,
        rules: [RULE],
        revoked: { rootDigests: [one], fileDigests: [`blake3:${one}`] },
      },
      { 'b.json': { revoked: { rootDigests: [two] } } },
    )
    expect([one, two].map((digest) => policy.revocations.revokesAlways(digest))).toEqual([true, true])
    expect([...policy.revocations.fileAlgorithms]).toEqual(['blake3'])
  })

  test('has an age for each file with "issued" and "maxAge"', async () => {
    const age = { issued: '2026-01-01T00:00:00Z', maxAge: '30d' }
    const { policy, path, directory } = await compiled(
      { include: ['b.json', 'c.json'], ...age, trustRoots: ROOTS, rules: [RULE] },
      { 'b.json': { ...age, maxAge: '1d' }, 'c.json': { issued: age.issued } },
    )
    expect(policy.ages).toEqual([
      { path: join(directory, 'b.json'), issued: age.issued, maxAge: '1d' },
      { path, ...age },
    ])
  })

  test('has the timestamp authorities of all trust roots, feeds and journals', async () => {
    const { policy, directory } = await compiled({
      trustRoots: { ...ROOTS, tsa: { timestampAuthorities: 'ca.pem' } },
      rules: [RULE],
      advisories: [{ file: 'feed.json', signers: [{ key: 'a' }] }],
      journal: { directory: 'journal' },
    })
    expect(policy.timestampAuthorities).toEqual([der])
    expect(policy.advisories).toMatchObject([{ source: join(directory, 'feed.json') }])
    expect(policy.journals).toMatchObject([{ directory: join(directory, 'journal') }])
    expect([...policy.roots.keys()]).toEqual(['a', 'b', 'ca', 'tsa'])
  })
})
