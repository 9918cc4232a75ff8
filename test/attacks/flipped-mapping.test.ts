import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { closeHashPool, loadPolicy, ModelSealError, openVerifiedModel } from '@modelseal/core'
import type { Policy, OpenedModel } from '@modelseal/core'
import { keySigner, signModel, type DigestOptions } from '@modelseal/core/signing'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { publisherIn, scratch, writeTree } from '../support/models.ts'

// Another process changes a file through a memory mapping, which does not update its timestamps. Revoked bytes
// must never be loaded, whatever the file contains when it is checked again.

const HAS_PYTHON = spawnSync('python3', ['--version']).status === 0
if (!HAS_PYTHON) console.warn('python3 is not here: the attacks through a memory map are left out')
const LOADS = Number(process.env['MODELSEAL_ATTACK_LOADS'] ?? 100)
/** Within this time, in milliseconds, a load must have encountered the revoked bytes. */
const LONGEST = 60_000

const REVOKED = Buffer.alloc(4096, 'revoked ')
const OTHER = Buffer.alloc(4096, 'another ')
const REFUSALS = new Set(['FILE_REVOKED', 'FILE_MISMATCH', 'FILE_CHANGED', 'ISOLATION_REFUSED'])

afterAll(() => closeHashPool())

interface Target {
  model: string
  policy: Policy
}

/** A signed model whose weights are revoked by a digest other than the signed one, and are constantly changed. */
async function target(mode: string, signed: DigestOptions): Promise<Target> {
  const directory = scratch()
  const publisher = publisherIn(directory)
  const digest = createHash('sha256').update(REVOKED).digest('hex')
  writeTree(directory, {
    'model/weights.bin': REVOKED,
    other: OTHER,
    'policy.yaml': `version: 1
trustRoots: { release: { publicKey: ./release.pub } }
rules:
  - name: all
    match: { path: ['${directory}/model'] }
    mode: ${mode}
    ${mode === 'skip' ? 'reason: a test' : 'signers: [{ key: release }]\n    require: { files: loaded }'}
revoked: { fileDigests: ['${digest}'] }
`,
  })
  const model = join(directory, 'model')
  const weights = join(model, 'weights.bin')
  chmodSync(weights, 0o644)
  await signModel(model, { ...signed, signer: await keySigner({ privateKey: publisher.privateKey }) })
  const policy = await loadPolicy(publisher.policy)
  const flipper = spawn('python3', [join(import.meta.dirname, 'flip_mapping.py'), weights, join(directory, 'other')])
  onTestFinished(async () => {
    flipper.kill('SIGKILL')
    if (flipper.exitCode === null && flipper.signalCode === null) await once(flipper, 'exit')
  })
  await once(flipper.stdout, 'data')
  return { model, policy }
}

const WAYS: Record<string, (model: OpenedModel) => Promise<Uint8Array>> = {
  read: (model) => model.read('weights.bin'),
  copied: async (model) => readFileSync(await model.path('weights.bin')),
}

/** Loads many times, and counts the outcomes. */
async function attack({ model, policy }: Target, way: string) {
  const counts: Record<string, number> = { revoked: 0 }
  const count = (outcome: string) => (counts[outcome] = (counts[outcome] ?? 0) + 1)
  const end = Date.now() + LONGEST
  for (let loads = 0; loads < LOADS || (!counts['FILE_REVOKED'] && Date.now() < end); loads++) {
    try {
      await using opened = await openVerifiedModel(model, { policy, isolation: way === 'copied' ? 'copy' : 'memory' })
      const bytes = Buffer.from(await WAYS[way]!(opened))
      count(bytes.equals(REVOKED) ? 'revoked' : 'other')
    } catch (error) {
      if (!(error instanceof ModelSealError) || !REFUSALS.has(error.code)) throw error
      count(error.code)
    }
  }
  if (process.env['MODELSEAL_ATTACK_LOADS'] !== undefined) console.log(way, counts)
  return counts
}

describe.runIf(HAS_PYTHON).each(Object.keys(WAYS))('a revoked file that is %s', (way) => {
  test.each<[string, string, DigestOptions]>([
    ['enforce', 'BLAKE2b', { hashType: 'blake2b' }],
    ['enforce', 'BLAKE3', { hashType: 'blake3' }],
    ['enforce', 'shards', { shardSize: 1024 }],
    ['skip', 'BLAKE2b', { hashType: 'blake2b' }],
  ])('is never handed out under %s, signed with %s', async (mode, _, signed) => {
    const { revoked, FILE_REVOKED = 0 } = await attack(await target(mode, signed), way)
    expect(revoked).toBe(0)
    expect(FILE_REVOKED).toBeGreaterThan(0)
  })
})
