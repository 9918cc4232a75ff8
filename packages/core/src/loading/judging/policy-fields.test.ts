import { rm } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { closeHashPool } from '../../hashing/pool.ts'
import { REVOKED_CODES } from '../../policy/revocations/codes.ts'
import type { ErrorCode } from '../../errors.ts'
import { createHash } from 'node:crypto'
import type { OpenOptions } from '../open-options.ts'
import { judgeModel } from '../operations/judge-model.ts'
import { TestSite } from '../../testing/site.ts'

let site: TestSite
const keys: Record<string, string> = {}
let rootDigest = ''
const FILE_DIGEST = createHash('sha256').update('weights').digest('hex')
const FILE_BLAKE2B = createHash('blake2b512').update('weights').digest('hex')

beforeAll(async () => {
  site = await TestSite.make()
  for (const name of ['a', 'b', 'c']) keys[name] = await site.key(name)
  rootDigest = await site.signedModel('models/one')
  await site.signedModel('models/two')
  await site.sign('models/two', 'b', 'models/two.second.sig')
  await site.signedModel('models/twice')
  await site.sign('models/twice', 'a', 'models/twice.second.sig')
  await site.signedModel('models/renamed', { 'a.bin': 'same', 'b.bin': 'weights' })
  await site.model('elsewhere/renamed', { 'a.bin': 'same', 'c.bin': 'weights' })
  await site.sign('elsewhere/renamed', 'b', 'models/renamed.second.sig')
  await site.model('models/sharded')
  await site.sign('models/sharded', 'a', 'models/sharded.sig', { shardSize: 4 })
  await site.model('models/blake')
  await site.sign('models/blake', 'a', 'models/blake.sig', { hashType: 'blake2b' })
  await site.signedModel('models/extra')
  await site.write('models/extra/added.txt', 'nobody signed this')
  await site.changedModel('models/changed')
  await site.model('models/unsigned')
})

afterAll(async () => {
  await site.remove()
  await closeHashPool()
})

interface Case {
  what: string
  model: string
  /** `a` and `b` are public keys; the rule accepts `a`. */
  rule?: Record<string, unknown>
  policy?: () => Record<string, unknown>
  options?: OpenOptions
  /** The code in the mode enforce; undefined if the model is accepted. */
  refused?: ErrorCode
  /** True if the mode skip, which verifies nothing, refuses it as well. */
  evenSkipped?: boolean
}

const anHour = 3_600_000
const at = (offset: number) => new Date(Date.now() + offset).toISOString()

const CASES: Case[] = [
  { what: 'a signature by an accepted key', model: 'models/one' },
  { what: 'a model without a bundle', model: 'models/unsigned', refused: 'BUNDLE_NOT_FOUND' },
  {
    what: 'a signature by another key',
    model: 'models/one',
    rule: { signers: [{ key: 'b' }] },
    refused: 'SIGNER_NOT_TRUSTED',
  },
  { what: 'a changed file', model: 'models/changed', refused: 'FILE_MISMATCH' },
  { what: 'an added file', model: 'models/extra', refused: 'FILE_UNSIGNED' },

  {
    what: 'match.path that does not match',
    model: 'models/one',
    rule: { match: { path: 'other/**' } },
    refused: 'POLICY_NO_MATCH',
  },
  { what: 'match.path, the second of two', model: 'models/one', rule: { match: { path: ['other/**', 'models/*'] } } },
  {
    what: 'match.url that matches',
    model: 'models/one',
    rule: { match: { url: 'https://hub.example/**', path: 'models/**' } },
    options: { url: 'https://hub.example/acme/one' },
  },
  {
    what: 'match.url of another host',
    model: 'models/one',
    rule: { match: { url: 'https://hub.example/**' } },
    options: { url: 'https://evil.example/acme/one' },
    refused: 'POLICY_NO_MATCH',
  },
  {
    what: 'match.url without a URL',
    model: 'models/one',
    rule: { match: { url: 'https://hub.example/**' } },
    refused: 'POLICY_NO_MATCH',
  },
  {
    what: 'match.format that matches',
    model: 'models/one',
    rule: { match: { path: 'models/**', format: 'onnx' } },
    options: { format: 'onnx' },
  },
  { what: 'match.format any', model: 'models/one', rule: { match: { path: 'models/**', format: 'any' } } },
  {
    what: 'match.format of another loader',
    model: 'models/one',
    rule: { match: { format: ['tfjs-graph', 'tfjs-layers'] } },
    options: { format: 'onnx' },
    refused: 'POLICY_NO_MATCH',
  },
  {
    what: 'match.format without a format',
    model: 'models/one',
    rule: { match: { format: 'onnx' } },
    refused: 'POLICY_NO_MATCH',
  },

  {
    what: 'threshold 2 with two signers',
    model: 'models/two',
    rule: { signers: [{ key: 'a' }, { key: 'b' }], threshold: 2 },
  },
  {
    what: 'threshold 2 with one signer',
    model: 'models/one',
    rule: { signers: [{ key: 'a' }, { key: 'b' }], threshold: 2 },
    refused: 'SIGNATURE_THRESHOLD',
  },
  {
    what: 'threshold 2 with two bundles of one key',
    model: 'models/twice',
    rule: { signers: [{ key: 'a' }, { key: 'b' }], threshold: 2 },
    refused: 'SIGNATURE_THRESHOLD',
  },
  {
    what: 'threshold 2 with one key under two names',
    model: 'models/twice',
    rule: { signers: [{ key: 'a' }, { key: 'also-a' }], threshold: 2 },
    refused: 'SIGNATURE_THRESHOLD',
  },
  {
    what: 'threshold 2 with one root digest over other names',
    model: 'models/renamed',
    rule: { signers: [{ key: 'a' }, { key: 'b' }], threshold: 2 },
    refused: 'SIGNATURE_THRESHOLD',
  },

  {
    what: 'a key before its window',
    model: 'models/one',
    policy: () => windowed({ notBefore: at(anHour) }),
    refused: 'KEY_OUTSIDE_VALIDITY',
  },
  {
    what: 'a key after its window',
    model: 'models/one',
    policy: () => windowed({ notAfter: at(-anHour) }),
    refused: 'KEY_OUTSIDE_VALIDITY',
  },
  {
    what: 'a key within its window',
    model: 'models/one',
    policy: () => windowed({ notBefore: at(-anHour), notAfter: at(anHour) }),
  },

  { what: 'require.name that it has', model: 'models/one', rule: { require: { name: ['two', 'one'] } } },
  {
    what: 'require.name of another model',
    model: 'models/one',
    rule: { require: { name: { pattern: 't*' } } },
    refused: 'MODEL_NAME_REFUSED',
  },
  {
    what: 'require.rootDigest of another model',
    model: 'models/one',
    rule: { require: { rootDigest: `sha256:${'0'.repeat(64)}` } },
    refused: 'ROOT_DIGEST_REFUSED',
  },

  {
    what: 'require.transparencyLog',
    model: 'models/one',
    rule: { require: { transparencyLog: true } },
    refused: 'LOG_REQUIRED',
  },
  { what: 'require.transparencyLog false', model: 'models/one', rule: { require: { transparencyLog: false } } },
  {
    what: 'require.timestamp',
    model: 'models/one',
    rule: { require: { timestamp: true } },
    refused: 'TIMESTAMP_REQUIRED',
  },
  { what: 'require.timestamp false', model: 'models/one', rule: { require: { timestamp: false } } },
  {
    what: 'require.maxSignatureAge without a trusted time',
    model: 'models/one',
    rule: { require: { maxSignatureAge: '180d' } },
    refused: 'SIGNATURE_TIME_UNKNOWN',
  },
  {
    what: 'require.signedAfter without a trusted time',
    model: 'models/one',
    rule: { require: { signedAfter: '2020-01-01T00:00:00Z' } },
    refused: 'SIGNATURE_TIME_UNKNOWN',
  },
  {
    what: 'require.hashAlgorithms that has it',
    model: 'models/blake',
    rule: { require: { hashAlgorithms: ['sha256', 'blake2b'] } },
  },
  {
    what: 'require.hashAlgorithms that lacks it',
    model: 'models/blake',
    rule: { require: { hashAlgorithms: ['sha256'] } },
    refused: 'HASH_ALGORITHM_REFUSED',
  },
  {
    what: 'require.files all, with an added file',
    model: 'models/extra',
    rule: { require: { files: 'all' } },
    refused: 'FILE_UNSIGNED',
  },
  {
    what: 'require.files ignore-unsigned, with an added file',
    model: 'models/extra',
    rule: { require: { files: 'ignore-unsigned' } },
  },
  {
    what: 'require.files ignore-unsigned, with a changed file',
    model: 'models/changed',
    rule: { require: { files: 'ignore-unsigned' } },
    refused: 'FILE_MISMATCH',
  },
  {
    what: 'require.files loaded, with an added file',
    model: 'models/extra',
    rule: { require: { files: 'loaded' } },
    refused: 'FILE_UNSIGNED',
  },
  {
    what: 'require.files loaded, with a changed file that is not read',
    model: 'models/changed',
    rule: { require: { files: 'loaded' } },
  },
  {
    what: 'require.isolation that has memory',
    model: 'models/one',
    rule: { require: { isolation: ['memory', 'copy'] } },
  },
  {
    what: 'require.isolation without memory, for a caller who requests it',
    model: 'models/one',
    rule: { require: { isolation: ['in-place'] } },
    options: { isolation: 'memory' },
    refused: 'ISOLATION_REFUSED',
  },

  {
    what: 'revoked.rootDigests',
    model: 'models/one',
    policy: () => ({ revoked: { rootDigests: [rootDigest] } }),
    refused: 'MODEL_REVOKED',
    evenSkipped: true,
  },
  {
    what: 'revoked.rootDigests with a prefix',
    model: 'models/one',
    policy: () => ({ revoked: { rootDigests: [{ digest: `sha256:${rootDigest}`, reason: 'bad' }] } }),
    refused: 'MODEL_REVOKED',
    evenSkipped: true,
  },
  {
    what: 'revoked.rootDigests of an unsigned copy',
    model: 'models/unsigned',
    policy: () => ({ revoked: { rootDigests: [rootDigest] } }),
    refused: 'BUNDLE_NOT_FOUND',
    evenSkipped: true,
  },
  {
    what: 'revoked.rootDigests of another model',
    model: 'models/one',
    policy: () => ({ revoked: { rootDigests: ['0'.repeat(64)] } }),
  },
  {
    what: 'revoked.fileDigests',
    model: 'models/one',
    policy: () => ({ revoked: { fileDigests: [`sha256:${FILE_DIGEST}`] } }),
    refused: 'FILE_REVOKED',
  },
  {
    what: 'revoked.fileDigests by an algorithm other than that of the manifest',
    model: 'models/one',
    policy: () => ({ revoked: { fileDigests: [`blake2b:${FILE_BLAKE2B}`] } }),
    refused: 'FILE_REVOKED',
  },
  {
    what: 'revoked.fileDigests of a model signed in shards',
    model: 'models/sharded',
    policy: () => ({ revoked: { fileDigests: [FILE_DIGEST] } }),
    refused: 'FILE_REVOKED',
  },
  {
    what: 'revoked.fileDigests of another file',
    model: 'models/sharded',
    policy: () => ({ revoked: { fileDigests: ['0'.repeat(64)] } }),
  },
  {
    what: 'revoked.keys',
    model: 'models/one',
    policy: () => ({ revoked: { keys: [keys.a] } }),
    refused: 'KEY_REVOKED',
    evenSkipped: true,
  },
  {
    what: 'revoked.keys of one signer, if another is enough',
    model: 'models/two',
    rule: { signers: [{ key: 'a' }, { key: 'b' }] },
    policy: () => ({ revoked: { keys: [keys.a] } }),
    evenSkipped: true,
  },
  {
    what: 'revoked.keys with a window, without a trusted time',
    model: 'models/one',
    policy: () => ({
      revoked: { keys: [{ fingerprint: keys.a, from: '2001-01-01T00:00:00Z', until: '2002-01-01T00:00:00Z' }] },
    }),
    refused: 'KEY_REVOKED',
    evenSkipped: true,
  },
  { what: 'revoked.keys of another key', model: 'models/one', policy: () => ({ revoked: { keys: [keys.b] } }) },

  { what: 'a fresh policy', model: 'models/one', policy: () => ({ issued: at(-anHour), maxAge: '1d' }) },
]

function windowed(window: object) {
  return { trustRoots: { ...ROOTS, a: { publicKey: { file: 'a.pub', ...window } } } }
}

const ROOTS = { a: { publicKey: 'a.pub' }, b: { publicKey: 'b.pub' }, 'also-a': { publicKey: 'a.pub' } }

function policyOf(row: Case, mode: 'enforce' | 'audit' | 'skip') {
  const { match = { path: 'models/**' }, signers = [{ key: 'a' }], ...rest } = row.rule ?? {}
  const rule = mode === 'skip' ? { match: { path: 'models/**' }, reason: 'tested' } : { match, signers, ...rest }
  return { version: 1, trustRoots: ROOTS, rules: [{ name: 'rule', mode, ...rule }], ...row.policy?.() }
}

describe('a rule in the mode enforce', () => {
  test.each(CASES)('judges $what', async (row) => {
    const expected = row.refused === undefined ? 'accepted' : `refused ${row.refused}`
    expect(await site.judge(row.model, policyOf(row, 'enforce'), row.options)).toBe(expected)
  })
})

describe('a rule in the mode audit', () => {
  test.each(CASES)('judges $what', async (row) => {
    const { refused } = row
    let expected = 'accepted'
    if (refused !== undefined) expected = `tolerated ${refused}`
    if (refused === 'POLICY_NO_MATCH') expected = `refused ${refused}`
    if (refused !== undefined && REVOKED_CODES.has(refused)) expected = `refused ${refused}`
    // Without a bundle, the files themselves show that the model is revoked.
    if (row.evenSkipped && refused === 'BUNDLE_NOT_FOUND') expected = 'refused MODEL_REVOKED'
    expect(await site.judge(row.model, policyOf(row, 'audit'), row.options)).toBe(expected)
  })
})

describe('a rule in the mode skip', () => {
  test.each(CASES)('judges $what', async (row) => {
    let expected = 'skipped'
    if (row.evenSkipped)
      expected = `refused ${row.refused === 'BUNDLE_NOT_FOUND' ? 'MODEL_REVOKED' : (row.refused ?? 'KEY_REVOKED')}`
    expect(await site.judge(row.model, policyOf(row, 'skip'), row.options)).toBe(expected)
  })
})

describe('a stale policy', () => {
  test.each(['enforce', 'audit', 'skip'] as const)('accepts nothing in the mode %s', async (mode) => {
    const stale = { what: '', model: '', policy: () => ({ issued: at(-48 * anHour), maxAge: '1d' }) }
    expect(await site.judge('models/one', policyOf(stale, mode))).toBe('refused POLICY_STALE')
    const future = { what: '', model: '', policy: () => ({ issued: at(48 * anHour), maxAge: '1d' }) }
    expect(await site.judge('models/one', policyOf(future, mode))).toBe('refused POLICY_STALE')
  })
})

const SKIPPING = [{ name: 'r', match: { path: 'models/**' }, mode: 'skip', reason: 'tested' }]

test.each([
  ['models-elsewhere/one', undefined],
  [
    'nothing/here',
    'There is no model at this path. Give the path of a model directory or file. Relative to the policy',
  ],
])('if no rule matches, the hint for %s says whether a model is there', async (model, missing) => {
  await site.model('models-elsewhere/one')
  const policy = await site.policy({ version: 1, rules: SKIPPING })
  const { error } = await judgeModel(site.file(model), { policy })
  expect(error?.code).toBe('POLICY_NO_MATCH')
  if (missing === undefined) expect(error?.hint).toMatch(/^Relative to the policy/)
  else expect(error?.hint).toContain(missing)
})

test.each([
  ['Xenova/all-MiniLM-L6-v2', 'looks like the id of a model on Hugging Face. Write "hf://Xenova/all-MiniLM-L6-v2"'],
  ['~/m', 'Only a shell replaces "~"'],
])('if no rule matches %s, the hint says what it may be', async (model, hint) => {
  const policy = await site.policy({ version: 1, rules: SKIPPING })
  const { error } = await judgeModel(model, { policy })
  expect(error?.code).toBe('POLICY_NO_MATCH')
  expect(error?.hint).toContain(`There is no model at this path.`)
  expect(error?.hint).toContain(hint)
})

describe('match.url', () => {
  const policy = {
    version: 1,
    rules: [{ name: 'ours', match: { url: 'https://hub.example/org/**' }, mode: 'skip', reason: 'tested' }],
  }
  test.each([
    ['https://HUB.example/org/m?revision=main', 'skipped'],
    ['https://hub.example/org/../evil/m', 'refused POLICY_NO_MATCH'],
    ['https://hub.example/org/%2e%2e/evil/m', 'refused INVALID_ARGUMENT'],
    ['https://hub.example/org/..\\evil/m', 'refused INVALID_ARGUMENT'],
    ['https://evil.example?/hub.example/org/m', 'refused POLICY_NO_MATCH'],
  ])('is compared with the URL that is fetched for %s', async (url, decision) => {
    expect(await site.judge('models/one', policy, { url })).toBe(decision)
  })
})

describe('match.name', () => {
  const policy = (name: string) => ({
    version: 1,
    trustRoots: ROOTS,
    rules: [
      { name: 'named', match: { name }, signers: [{ key: 'a' }] },
      { name: 'others', match: { path: '**' }, signers: [{ key: 'b' }] },
    ],
  })

  test('selects the rule whose glob matches the signed name', async () => {
    expect(await site.judge('models/one', policy('on*'))).toBe('accepted')
  })
  test('skips the rule for another name, and for a model without a bundle', async () => {
    expect(await site.judge('models/one', policy('two'))).toBe('refused SIGNER_NOT_TRUSTED')
    expect(await site.judge('models/unsigned', policy('**'))).toBe('refused BUNDLE_NOT_FOUND')
  })
  test('is not bypassed by a bundle that cannot be read, or that claims another name', async () => {
    await site.model('vad')
    await site.sign('vad', 'a')
    const strict = {
      version: 1,
      trustRoots: ROOTS,
      rules: [
        { name: 'strict', match: { name: 'vad' }, signers: [{ key: 'a' }, { key: 'b' }], threshold: 2 },
        { name: 'rest', match: { path: '**' }, signers: [{ key: 'a' }] },
      ],
    }
    expect(await site.judge('vad', strict)).toBe('refused SIGNATURE_THRESHOLD')
    const junk = await site.write('vad.x.sig', 'junk')
    expect(await site.judge('vad', strict)).toBe('refused NAME_AMBIGUOUS')
    expect(await site.judge('vad', strict, { signature: junk })).toBe('refused NAME_AMBIGUOUS')
    await rm(junk)
    await site.model('other')
    await site.sign('other', 'a', 'vad.x.sig')
    expect(await site.judge('vad', strict)).toBe('refused NAME_AMBIGUOUS')
    // All bundles can be read and none claims the name, so the rule is about another model.
    await site.sign('other', 'a', 'vad.sig')
    expect(await site.judge('vad', strict)).toBe('accepted')
  })
})
