import { join } from 'node:path'
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { ModelSealError } from '../../errors.ts'
import { Effort } from '../../verification/effort.ts'
import { bundleOver, keyPair } from '../../testing/bundles.ts'
import { pem, version } from '../../testing/feeds.ts'
import { refusal, scratch } from '../../testing/scratch.ts'
import { loadValidPolicy } from '../load-policy.ts'
import type { CompiledPolicy } from '../policy.ts'
import { feedBundles } from './feed-file.ts'
import { writeFeedStatement } from './feed-statement.ts'
import { acceptedSigners, verifiedPayload } from './verify-feed.ts'

const [one, two, stranger] = [keyPair(), keyPair(), keyPair()]
const SOURCE = 'https://models.example/feed.jsonl'
const payload = writeFeedStatement(version(1))
const theKey = expect.stringContaining(stranger.publicKey.fingerprint.slice(0, 8)) as string

/** A policy that follows a feed by two signers. */
async function policyWith(feed: object = {}, more: object = {}): Promise<CompiledPolicy> {
  const content = {
    version: 1,
    trustRoots: { one: { publicKey: 'one.pub' }, two: { publicKey: 'two.pub' } },
    rules: [{ name: 'r', match: { path: '**' }, signers: [{ key: 'one' }] }],
    advisories: [{ url: SOURCE, signers: [{ key: 'one' }, { key: 'two' }], ...feed }],
    ...more,
  }
  const files = { 'policy.json': JSON.stringify(content), 'one.pub': pem(one), 'two.pub': pem(two) }
  return loadValidPolicy(join(scratch(files), 'policy.json'))
}

const fileOf = (...lines: Buffer[]) =>
  Buffer.from(lines.map((line) => `${JSON.stringify(JSON.parse(line.toString()))}\n`).join(''))
const by = (...signers: (typeof one)[]) => fileOf(...signers.map((signer) => bundleOver(payload, signer)))

/** A line whose signature was made by one key, and which names another. */
function forged(named: typeof one): Buffer {
  const bundle = JSON.parse(bundleOver(payload, named).toString())
  bundle.dsseEnvelope.signatures[0].sig = JSON.parse(
    bundleOver(Buffer.from('{}'), named).toString(),
  ).dsseEnvelope.signatures[0].sig
  return Buffer.from(JSON.stringify(bundle))
}

const verified = async (bytes: Buffer, policy: CompiledPolicy, signal?: AbortSignal) =>
  verifiedPayload(bytes, policy.advisories[0]!, policy, signal)

describe('a feed file', () => {
  let policy: CompiledPolicy
  beforeEach(async () => (policy = await policyWith()))

  test('signed by a signer that the policy names has its statement returned as it was signed', async () => {
    expect(await verified(by(one), policy)).toEqual(payload)
    expect(await verified(by(stranger, two), policy)).toEqual(payload)
  })

  test('signed by somebody else is refused, with who may sign it', async () => {
    await expect(verified(by(stranger), policy)).rejects.toEqual(
      refusal('SIGNER_NOT_TRUSTED', {
        file: SOURCE,
        signer: theKey,
        expected: expect.stringMatching(/^"one" \(.+\) or "two" \(.+\)$/) as string,
        found: theKey,
        hint: expect.stringContaining('"signers"') as string,
      }),
    )
  })

  test('with a signature that is not valid is refused for that, whoever else signed it', async () => {
    const invalid = refusal('SIGNATURE_INVALID')
    await expect(verified(fileOf(forged(one)), policy)).rejects.toEqual(invalid)
    await expect(verified(fileOf(forged(one), bundleOver(payload, stranger)), policy)).rejects.toEqual(invalid)
    await expect(verified(fileOf(bundleOver(payload, stranger), forged(one)), policy)).rejects.toEqual(invalid)
  })

  test('that is no feed file is refused with its source', async () => {
    await expect(verified(Buffer.from('x'), policy)).rejects.toEqual(refusal('ADVISORY_INVALID', { file: SOURCE }))
  })

  test('is not verified once that was aborted', async () => {
    await expect(verified(by(one), policy, AbortSignal.abort())).rejects.toEqual(refusal('ABORTED'))
  })
})

describe('the threshold of a feed', () => {
  test('is met by as many distinct signers', async () => {
    const policy = await policyWith({ threshold: 2 })
    expect(await verified(by(one, two), policy)).toEqual(payload)
    await expect(verified(by(one, one), policy)).rejects.toEqual(
      refusal('SIGNATURE_THRESHOLD', { file: SOURCE, expected: '2', found: '1', hint: undefined }),
    )
  })

  test('is not met by signatures that do not count, and the refusal says why one does not', async () => {
    const policy = await policyWith({ threshold: 2 })
    await expect(verified(by(one, stranger), policy)).rejects.toEqual(
      refusal('SIGNATURE_THRESHOLD', {
        found: '1',
        hint: expect.stringContaining('no signer whom the policy names') as string,
      }),
    )
    await expect(verified(by(stranger), policy)).rejects.toEqual(refusal('SIGNER_NOT_TRUSTED'))
  })
})

describe('a signature of a feed does not count', () => {
  test('if the policy revokes its key', async () => {
    const policy = await policyWith({}, { revoked: { keys: [one.publicKey.fingerprint] } })
    await expect(verified(by(one), policy)).rejects.toEqual(refusal('KEY_REVOKED'))
    expect(await verified(by(one, two), policy)).toEqual(payload)
  })

  test('if its key was not valid', async () => {
    const publicKey = { file: 'one.pub', notAfter: '2020-01-01T00:00:00Z' }
    const policy = await policyWith({}, { trustRoots: { one: { publicKey }, two: { publicKey: 'two.pub' } } })
    await expect(verified(by(one), policy)).rejects.toEqual(
      refusal('KEY_OUTSIDE_VALIDITY', {
        file: SOURCE,
        signer: 'one',
        expected: 'a time until 2020-01-01T00:00:00.000Z',
        found: expect.stringContaining('no trusted time') as string,
      }),
    )
    expect(await verified(by(one, two), policy)).toEqual(payload)
  })
})

describe('the signers of bundles', () => {
  test('are those that count', async () => {
    const policy = await policyWith()
    const bundles = await feedBundles(by(one, stranger, two))
    const accepted = await acceptedSigners(bundles, policy.advisories[0]!, policy)
    expect(accepted.map((signer) => signer.name)).toEqual(['one', 'two'])
  })

  test('are not looked for after an error that has nothing to do with one of them', async () => {
    const policy = await policyWith()
    const signatures = vi.spyOn(Effort.prototype, 'signatures')
    onTestFinished(() => signatures.mockRestore())
    const aborted = new ModelSealError('ABORTED', 'Aborted.')
    signatures.mockRejectedValueOnce(aborted)
    await expect(verified(by(one, two), policy)).rejects.toBe(aborted)
    signatures.mockRejectedValueOnce(new TypeError('x'))
    await expect(verified(by(one, two), policy)).rejects.toThrow(TypeError)
    signatures.mockRejectedValueOnce(new ModelSealError('CHAIN_TOO_LARGE', 'Too large.'))
    await expect(verified(by(one), policy)).rejects.toEqual(refusal('CHAIN_TOO_LARGE'))
  })
})
