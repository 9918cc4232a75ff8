import { cpSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ModelSealError, openVerifiedModel, type OpenOptions } from '@modelseal/core'
import { checkPolicy } from '@modelseal/core/policy'
import { keySigner, signModel } from '@modelseal/core/signing'
import { beforeAll, describe, expect, test } from 'vitest'
import { publisherIn, scratchOfSuite, writeTree, type Publisher } from '../support/models.ts'

// The intended model is replaced by another model of the same signer, with its valid signature.

const FIXTURES = join(import.meta.dirname, '../fixtures/reference')

const directory = scratchOfSuite()
let publisher: Publisher

const digests: Record<string, string> = {}

beforeAll(async () => {
  publisher = publisherIn(directory)
  publisherIn(join(directory, 'second'))
  for (const name of ['vad', 'wake-word', 'VAD']) await signed(`made/${name}`, name)
  await signed('made/twin/vad', 'a later version')
})

async function signed(path: string, content: string): Promise<void> {
  writeTree(join(directory, path), { 'weights.bin': content })
  const signer = await keySigner({ privateKey: publisher.privateKey })
  const { rootDigest } = await signModel(join(directory, path), { signer, signature: join(directory, `${path}.sig`) })
  digests[path.replace('made/', '')] = rootDigest
}

/** Puts a signed model, with its signature, at `served/vad`, which the program loads. */
function served(model: string): string {
  const place = join(directory, 'served', `${model.replace('/', '-')}-${Math.random()}`, 'vad')
  cpSync(join(directory, 'made', model), place, { recursive: true })
  cpSync(join(directory, 'made', `${model}.sig`), `${place}.sig`)
  return place
}

function policyOf(rule: object): string {
  const path = join(directory, `policy-${Math.random()}.json`)
  const rules = [{ name: 'vad', match: { path: '**' }, signers: [{ key: 'release' }], ...rule }]
  const trustRoots = { release: { publicKey: 'release.pub' }, second: { publicKey: 'second/release.pub' } }
  writeTree(directory, { [path.slice(directory.length + 1)]: JSON.stringify({ version: 1, trustRoots, rules }) })
  return path
}

async function load(path: string, rule: object, options: OpenOptions = {}): Promise<string> {
  try {
    await using model = await openVerifiedModel(path, { ...options, policy: policyOf(rule) })
    return model.verdict.wouldRefuse
      ? `${model.verdict.decision} ${model.verdict.wouldRefuse.code}`
      : model.verdict.decision
  } catch (error) {
    if (error instanceof ModelSealError) return error.code
    throw error
  }
}

describe('require.name', () => {
  test.each<[string, unknown, string]>([
    ['vad', 'vad', 'accepted'],
    ['wake-word', 'vad', 'MODEL_NAME_REFUSED'],
    ['VAD', 'vad', 'MODEL_NAME_REFUSED'],
    ['wake-word', ['vad', 'wake-word'], 'accepted'],
    ['wake-word', '*', 'MODEL_NAME_REFUSED'],
    ['wake-word', { pattern: 'wake-*' }, 'accepted'],
    ['vad', { pattern: 'wake-*' }, 'MODEL_NAME_REFUSED'],
    ['vad', [{ pattern: 'wake-*' }, { regexp: 'v.d' }], 'accepted'],
    ['vad', { regexp: 'va' }, 'MODEL_NAME_REFUSED'],
  ])('of %s under %j: %s', async (model, name, expected) => {
    expect(await load(served(model), { require: { name } })).toBe(expected)
  })

  test('does not match an unverified claim or a missing name', async () => {
    expect(await load(served('wake-word'), { require: { name: 'vad' }, mode: 'audit' })).toBe(
      'tolerated MODEL_NAME_REFUSED',
    )
    const place = join(directory, 'served', 'old')
    cpSync(join(FIXTURES, 'model'), place, { recursive: true })
    cpSync(join(FIXTURES, '0.2.0-key.sig'), `${place}.sig`)
    cpSync(join(FIXTURES, 'signer.pub'), join(directory, 'second', 'release.pub'))
    const signers = [{ key: 'second' }]
    expect(await load(place, { signers })).toBe('accepted')
    expect(await load(place, { signers, require: { name: 'model' } })).toBe('MODEL_NAME_REFUSED')
    expect(await load(place, { signers, require: { name: { pattern: '**' } } })).toBe('MODEL_NAME_REFUSED')
  })
})

describe('require.rootDigest', () => {
  test.each<[string, () => unknown, string]>([
    ['vad', () => `sha256:${digests['vad']}`, 'accepted'],
    ['vad', () => digests['vad'], 'accepted'],
    ['vad', () => digests['vad']?.toUpperCase(), 'POLICY_INVALID'],
    ['twin/vad', () => `sha256:${digests['vad']}`, 'ROOT_DIGEST_REFUSED'],
    ['wake-word', () => `sha256:${digests['vad']}`, 'ROOT_DIGEST_REFUSED'],
    ['twin/vad', () => [`sha256:${digests['vad']}`, `sha256:${digests['twin/vad']}`], 'accepted'],
  ])('of %s', async (model, rootDigest, expected) => {
    expect(await load(served(model), { require: { rootDigest: rootDigest() } })).toBe(expected)
  })

  test('can be required together with the name', async () => {
    const rule = { require: { name: 'vad', rootDigest: `sha256:${digests['wake-word']}` } }
    expect(await load(served('vad'), rule)).toBe('ROOT_DIGEST_REFUSED')
    expect(await load(served('wake-word'), rule)).toBe('MODEL_NAME_REFUSED')
  })
})

describe('of several signatures', () => {
  test('only those of the right model count', async () => {
    const another = publisherIn(join(directory, 'another'))
    const place = served('vad')
    writeTree(join(directory, 'renamed', 'wake-word'), { 'weights.bin': 'vad' })
    const signer = await keySigner({ privateKey: another.privateKey })
    await signModel(join(directory, 'renamed', 'wake-word'), { signer, signature: `${place}.b.sig` })
    cpSync(another.publicKey, join(directory, 'second', 'release.pub'))
    const rule = { signers: [{ key: 'release' }, { key: 'second' }], threshold: 2 }
    expect(await load(place, rule)).toBe('accepted')
    expect(await load(place, { ...rule, require: { name: 'vad' } })).toBe('SIGNATURE_THRESHOLD')
    expect(await load(place, { ...rule, threshold: 1, require: { name: 'vad' } })).toBe('accepted')
  })
})

describe('the policy', () => {
  test.each<[string, object]>([
    [
      'a rule in the mode skip',
      { mode: 'skip', reason: 'r', match: { path: 'm/**' }, signers: undefined, require: { name: 'vad' } },
    ],
    ['a root digest of another length', { require: { rootDigest: 'sha256:00' } }],
    ['a root digest of another hash', { require: { rootDigest: `blake3:${'0'.repeat(64)}` } }],
    ['no name', { require: { name: [] } }],
    ['an empty name', { require: { name: '' } }],
    ['no root digest', { require: { rootDigest: [] } }],
  ])('is refused with %s', async (_, rule) => {
    expect(await load(served('vad'), rule)).toBe('POLICY_INVALID')
  })

  test('is reported to accept nothing if it revokes what it requires or requires two names', async () => {
    const codes = async (rule: object, revoked: string[] = []) => {
      const path = policyOf(rule)
      writeTree(directory, {
        'checked.json': JSON.stringify({
          ...JSON.parse(readFileSync(path, 'utf8')),
          revoked: { rootDigests: revoked },
        }),
      })
      const findings = await checkPolicy(join(directory, 'checked.json'))
      return findings.filter(({ severity }) => severity === 'error').map(({ code }) => code)
    }
    const vad = digests['vad'] ?? ''
    expect(await codes({ require: { rootDigest: `sha256:${vad}` } }, [vad])).toEqual(['REQUIREMENT_UNMEETABLE'])
    expect(await codes({ require: { rootDigest: [vad, digests['wake-word']] } }, [vad])).toEqual([])
    expect(await codes({ match: { name: 'v*' }, require: { name: 'wake-word' } })).toEqual(['REQUIREMENT_UNMEETABLE'])
    expect(await codes({ match: { name: 'v*' }, require: { name: 'vad' } })).toEqual([])
  })
})
