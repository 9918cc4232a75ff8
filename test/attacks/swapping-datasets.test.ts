import { chmodSync, cpSync } from 'node:fs'
import { join } from 'node:path'
import { closeHashPool, loadPolicy, ModelSealError, openVerifiedDataset, type Policy } from '@modelseal/core'
import { keySigner, signModel } from '@modelseal/core/signing'
import { afterAll, expect, test } from 'vitest'
import { attackRuns } from '../../packages/core/src/testing/runs.ts'
import { countedContents } from '../support/counted-contents.ts'
import { publisherIn, scratch, writeTree } from '../support/models.ts'
import { Random } from './random.ts'
import { KINDS, MOST_SECONDS, REFUSALS, SEED, swapping, type Kind } from './swaps.ts'

// Another process swaps signed and unsigned content of a file as fast as it can while ranges of it are read. No read may
// ever return a byte that was not signed at its place.

const NAME = 'sub/weights.bin'
/** Of all kinds of swaps together. */
const READS = 10 * attackRuns(1_000)
/** Then the dataset is opened again. */
const READS_OF_ONE_OPENING = 40
/** Neither a multiple nor a divisor of the blocks that the other process writes. */
const SHARD_SIZE = 10_000

afterAll(() => closeHashPool())

interface Target {
  directory: string
  policy: Policy
  signed: Buffer
}

/** A signed dataset, with the files that the other process needs. */
async function target(size: number, shardSize?: number): Promise<Target> {
  const directory = scratch()
  const publisher = publisherIn(directory)
  const contents = countedContents(size)
  for (const content of ['good', 'evil'] as const) {
    writeTree(join(directory, content), { 'README.md': 'numbers', [NAME]: contents[content] })
    for (const file of ['README.md', NAME]) chmodSync(join(directory, content, file), 0o644)
  }
  const signer = await keySigner({ privateKey: publisher.privateKey })
  await signModel(join(directory, 'good'), { signer, signature: join(directory, 'model.sig'), shardSize })
  cpSync(join(directory, 'good'), join(directory, 'models', 'model'), { recursive: true })
  return { directory, policy: await loadPolicy(publisher.policy), signed: contents.good }
}

/** Reads ranges until there were enough, and counts the outcomes. */
async function attack({ directory, policy, signed }: Target, reads: number) {
  const counts = { returned: 0, refused: 0, unsigned: 0 }
  const openings = { refused: 0 }
  const random = new Random(SEED)
  const end = performance.now() + MOST_SECONDS * 1000
  const done = () => counts.returned + counts.refused + counts.unsigned
  const missesOne = () => (counts.returned === 0 || counts.refused === 0) && performance.now() < end
  const options = { policy, signature: join(directory, 'model.sig'), cacheBytes: 0 }
  while (done() < reads || missesOne()) {
    await refusing(openings, async () => {
      await using dataset = await openVerifiedDataset(join(directory, 'models', 'model'), options)
      for (let read = 0; read < READS_OF_ONE_OPENING; read++)
        await refusing(counts, async () => {
          const start = random.below(signed.length)
          const stop = start + 1 + random.below(Math.min(signed.length - start, 3 * SHARD_SIZE))
          const buffer = await dataset.asyncBuffer(NAME)
          const bytes = Buffer.from(await buffer.slice(start, stop))
          if (bytes.equals(signed.subarray(start, stop))) counts.returned++
          else counts.unsigned++
        })
    })
  }
  if (process.env['MODELSEAL_ATTACK_SECONDS'] !== undefined) console.log(counts, { openings })
  return counts
}

async function refusing(counts: { refused: number }, action: () => Promise<void>): Promise<void> {
  try {
    await action()
  } catch (error) {
    if (!(error instanceof ModelSealError) || !REFUSALS.has(error.code)) throw error
    counts.refused++
  }
}

async function check(kind: Kind, dataset: Target, reads: number): Promise<void> {
  await swapping(kind, dataset.directory)
  const { returned, refused, unsigned } = await attack(dataset, reads)
  expect(unsigned).toBe(0)
  expect({ returned: returned > 0, refused: refused > 0 }).toEqual({ returned: true, refused: true })
}

const TIMEOUT = 600_000

test.each(KINDS)(
  'no range of a file that was signed in shards has other bytes, while it is swapped by: %s',
  { timeout: TIMEOUT },
  async (kind) => {
    await check(kind, await target(96 * 1024, SHARD_SIZE), Math.ceil(READS / KINDS.length))
  },
)

test.each(['rename', 'write'] as const)(
  'no range of a file that was signed whole has other bytes, while it is swapped by: %s',
  { timeout: TIMEOUT },
  async (kind) => {
    // More than one of the parts of 4 MiB that are compared again.
    await check(kind, await target(5 * 1024 * 1024), Math.ceil(READS / 50))
  },
)
