import { execFileSync } from 'node:child_process'
import { appendFileSync, chmodSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { signModel } from '@modelseal/core/signing'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { refusal, scratch } from '../../../core/src/testing/scratch.ts'
import { all, models, signerAndKey } from '../testing/models.ts'
import { planCatalogue } from './plan-catalogue.ts'
import { signCatalogue, type SignCatalogueOptions } from './sign-catalogue.ts'
import { verifyCatalogue } from './verify-catalogue.ts'

beforeEach(() => {
  vi.stubEnv('MODELSEAL_CACHE', join(scratch(), 'cache'))
  return () => vi.unstubAllEnvs()
})

const statementOf = (signature: string) => {
  const bundle = JSON.parse(readFileSync(signature, 'utf8')) as { dsseEnvelope: { payload: string } }
  return bundle.dsseEnvelope.payload
}

async function signed(catalogue: string, options: SignCatalogueOptions) {
  const run = await signCatalogue(catalogue, options)
  const outcomes = (await all(run)).sort((one, two) => (one.model < two.model ? -1 : 1))
  return { outcomes, counts: run.counts }
}

function policyFor(publicKey: string): string {
  const policy = {
    version: 1,
    trustRoots: { a: { publicKey: 'a.pub' } },
    rules: [{ name: 'all', match: { path: '/**' }, signers: [{ key: 'a' }] }],
  }
  return join(scratch({ 'policy.json': JSON.stringify(policy), 'a.pub': readFileSync(publicKey) }), 'policy.json')
}

describe('a catalogue in one process', () => {
  test.each([
    ['whole files', {}],
    ['shards', { shardSize: 5 }],
    ['another hash type', { hashType: 'blake2b' as const }],
  ])('has the statements that signing each model gives: %s', async (_, how) => {
    const [catalogue, results] = [models('a', 'b', 'c'), scratch()]
    const { signer } = await signerAndKey()
    const { outcomes, counts } = await signed(catalogue, { signer, results, ...how })
    expect(outcomes.map((outcome) => 'signed' in outcome && outcome.signed.files)).toEqual([2, 2, 2])
    expect(counts).toMatchObject({ jobs: 3, rejected: 0 })
    for (const name of ['a', 'b', 'c']) {
      const alone = join(scratch(), 'alone.sig')
      const there = statementOf(join(catalogue, name, 'model.sig'))
      await signModel(join(catalogue, name), { signer, signature: alone, ...how })
      expect(there).toBe(statementOf(alone))
    }
  })

  test('is continued: what is signed is left alone, and nothing is hashed twice', async () => {
    const [catalogue, results] = [models('a', 'b'), scratch()]
    const { signer } = await signerAndKey()
    await signed(catalogue, { signer, results })
    const before = readFileSync(join(catalogue, 'a/model.sig'))
    rmSync(join(catalogue, 'b/model.sig'))
    const { outcomes, counts } = await signed(catalogue, { signer, results })
    expect(outcomes).toMatchObject([
      { unchanged: { signature: join(catalogue, 'a/model.sig') } },
      { signed: { files: 2 } },
    ])
    expect(counts).toMatchObject({ jobs: 0, reused: 2 })
    expect(readFileSync(join(catalogue, 'a/model.sig'))).toEqual(before)
  })

  test.each([
    ['its bundle changed', (model: string) => appendFileSync(join(model, 'model.sig'), '\n')],
    ['a file changed', (model: string) => writeFileSync(join(model, 'config.json'), '[]')],
    ['a file was added', (model: string) => writeFileSync(join(model, 'more'), '')],
  ])('signs a model again if %s', async (_, change) => {
    const [catalogue, results] = [models('a'), scratch()]
    const { signer } = await signerAndKey()
    await signed(catalogue, { signer, results })
    change(join(catalogue, 'a'))
    const { outcomes } = await signed(catalogue, { signer, results, overwrite: 'always' })
    expect(outcomes).toMatchObject([{ signed: {} }])
  })

  test('signs models again with another key, and if it is told to', async () => {
    const [catalogue, results] = [models('a'), scratch()]
    const [one, two] = [await signerAndKey(), await signerAndKey()]
    await signed(catalogue, { signer: one.signer, results })
    expect((await signed(catalogue, { signer: two.signer, results })).outcomes).toMatchObject([{ signed: {} }])
    expect((await signed(catalogue, { signer: two.signer, results, again: true })).outcomes).toMatchObject([
      { signed: {} },
    ])
  })

  test('goes on after a model that cannot be signed', async () => {
    const directory = models('a')
    const catalogue = join(directory, 'list')
    writeFileSync(catalogue, 'none\na\n')
    const { signer } = await signerAndKey()
    const { outcomes } = await signed(catalogue, { signer })
    expect(outcomes).toMatchObject([{ signed: {} }, { error: { code: 'MODEL_NOT_FOUND' } }])
  })

  test.each([
    ['a name that is too long', () => 'x'.repeat(300)],
    ['a file in the place of a directory', (directory: string) => join(directory, 'a/config.json/model')],
    [
      'a link to itself',
      (directory: string) => {
        symlinkSync('loop', join(directory, 'loop'))
        return 'loop'
      },
    ],
    [
      'a path that links make ambiguous',
      (directory: string) => {
        symlinkSync(join(scratch({ 'x/y': '', 'a/z': '' }), 'x'), join(directory, 'link'))
        return 'link/../a'
      },
    ],
    ['a device', () => '/dev/zero'],
    [
      'a FIFO',
      (directory: string) => {
        execFileSync('mkfifo', [join(directory, 'fifo')])
        return 'fifo'
      },
    ],
    ['a scheme that is none', () => 'nonsense://x'],
    ['a directory of a URL', () => 'file:///'],
  ])('goes on after %s', async (_, make) => {
    const directory = models('a')
    const [catalogue, results] = [join(directory, 'list'), scratch()]
    writeFileSync(catalogue, `${make(directory)}\na\n`)
    const { signer, publicKey } = await signerAndKey()
    const run = await signed(catalogue, { signer, results, bundles: scratch() })
    const verified = await all(await verifyCatalogue(catalogue, { results, policy: policyFor(publicKey) }))
    expect(run.outcomes.filter((outcome) => 'signed' in outcome)).toHaveLength(1)
    expect(run.outcomes.filter((outcome) => 'error' in outcome)).toHaveLength(1)
    const accepted = verified.filter((each) => 'verdict' in each && each.verdict.decision === 'accepted')
    expect([verified.length, accepted.length]).toEqual([2, 1])
  })

  test('is not held up by a FIFO in the place of a bundle', async () => {
    const [catalogue, results] = [models('a'), scratch()]
    const { signer } = await signerAndKey()
    await signed(catalogue, { signer, results })
    const bundle = join(catalogue, 'a/model.sig')
    rmSync(bundle)
    execFileSync('mkfifo', [bundle])
    const { outcomes } = await signed(catalogue, { signer, results })
    expect(outcomes).toMatchObject([{ error: {} }])
  })

  test('is verified by a policy, and a changed model is found', async () => {
    const [catalogue, results] = [models('a', 'b'), scratch()]
    const { signer, publicKey } = await signerAndKey()
    await signed(catalogue, { signer, results })
    writeFileSync(join(catalogue, 'b/weights.bin'), 'weights of c')
    const verified = async (maxAge?: number) => {
      const run = await verifyCatalogue(catalogue, { policy: policyFor(publicKey), results, maxAge })
      const outcomes = await all(run)
      const decisions = outcomes.map((each) => [
        each.model,
        'verdict' in each ? each.verdict.decision : each.error.code,
      ])
      return { decisions: Object.fromEntries(decisions) as object, counts: run.counts }
    }
    const decisions = { [join(catalogue, 'a')]: 'accepted', [join(catalogue, 'b')]: 'refused' }
    expect(await verified()).toMatchObject({ decisions, counts: { jobs: 1, reused: 1 } })
    expect(await verified(0)).toMatchObject({ decisions, counts: { jobs: 2, reused: 0 } })
  })

  test('stops when it is aborted', async () => {
    const { signer } = await signerAndKey()
    const run = await signCatalogue(models('a'), { signer, results: scratch(), signal: AbortSignal.abort() })
    await expect(all(run)).rejects.toEqual(refusal('ABORTED'))
  })

  test('refuses a model if its results cannot be kept', async () => {
    const [catalogue, results] = [models('a'), join(scratch({ file: '' }), 'file')]
    const { signer } = await signerAndKey()
    const { outcomes } = await signed(catalogue, { signer, results }).catch((error: unknown) => ({
      outcomes: [{ error }],
    }))
    expect(outcomes).toMatchObject([
      { error: { code: expect.stringMatching(/^FILE_(WRITE_FAILED|UNREADABLE)$/) as string } },
    ])
  })

  test.each([
    ['a queue without the secrets of workers', { queue: 'redis://127.0.0.1:1' }],
    ['an audit without a queue', { audit: 10 }],
    ['an audit of more than everything', { audit: 101 }],
    ['no job at a time', { perSource: 0 }],
  ])('is refused with %s', async (_, options) => {
    const { signer } = await signerAndKey()
    await expect(signCatalogue(models('a'), { signer, ...options })).rejects.toEqual(refusal('INVALID_ARGUMENT'))
  })

  test.each([Number.NaN, -1, '1d' as unknown as number])('is not verified with a maximum age of %s', async (maxAge) => {
    await expect(verifyCatalogue(models('a'), { maxAge })).rejects.toEqual(refusal('INVALID_ARGUMENT'))
  })

  test.each(['https://models.example', 'redis://:hunter2%zz@127.0.0.1'])(
    'is refused with the queue %s',
    async (queue) => {
      const workers = join(scratch({ workers: `one ${'A'.repeat(43)}\n` }), 'workers')
      chmodSync(workers, 0o600)
      const { signer } = await signerAndKey()
      const failure = await signCatalogue(models('a'), { signer, workers, queue }).catch((error: unknown) => error)
      expect(failure).toEqual(refusal('INVALID_ARGUMENT'))
      expect(inspect(failure, { depth: 9 })).not.toContain('hunter2')
    },
  )
})

test('a plan says what is to be hashed, and hashes nothing', async () => {
  const catalogue = models('a')
  const plans = await all(planCatalogue(catalogue))
  const longest = { name: join(catalogue, 'a/config.json'), bytes: 12 }
  expect(plans).toEqual([{ model: join(catalogue, 'a'), files: 2, bytes: 24, jobs: 1, longest }])
  // The bundle of an earlier signature is replaced.
  writeFileSync(join(catalogue, 'a/model.sig'), '{}')
  expect(await all(planCatalogue(catalogue))).toEqual(plans)
  const sharded = await all(planCatalogue(catalogue, { shardSize: 5 }))
  expect(sharded).toMatchObject([{ longest: { bytes: 5 } }])
})
