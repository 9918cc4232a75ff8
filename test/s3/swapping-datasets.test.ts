import { Worker } from 'node:worker_threads'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ModelSealError, openVerifiedDataset } from '@modelseal/core'
import { keySigner, signModel } from '@modelseal/core/signing'
import '@modelseal/s3'
import { expect, onTestFailed, onTestFinished, test } from 'vitest'
import { attackRuns } from '../../packages/core/src/testing/runs.ts'
import { firstSeed, Random, reproducing } from '../attacks/random.ts'
import { countedContents } from '../support/counted-contents.ts'
import { publisherIn, scratch } from '../support/models.ts'
import { gatewayOfSuite } from './gateway-of-suite.ts'

// Another thread swaps signed and unsigned content of an object as fast as it can while ranges of it are read. No read may
// ever return a byte that was not signed at its place.

const READS = attackRuns(500)
/** Then the dataset is opened again. */
const READS_OF_ONE_OPENING = 20
const SHARD_SIZE = 10_000
const SEED = firstSeed()
/** Codes with which a read may be refused. */
const REFUSALS: ReadonlySet<string> = new Set(['FILE_CHANGED', 'FILE_MISMATCH'])

const store = gatewayOfSuite()

test('no range of an object has bytes that were not signed, while it is swapped', { timeout: 600_000 }, async () => {
  onTestFailed(() => console.log(reproducing(SEED)))
  const random = new Random(SEED)
  const { signed, policy } = await swappedDataset('swapped')
  const counts = { returned: 0, refused: 0, unsigned: 0 }
  const end = performance.now() + 60_000
  const done = () => counts.returned + counts.refused + counts.unsigned
  const missesOne = () => (counts.returned === 0 || counts.refused === 0) && performance.now() < end
  while (done() < READS || missesOne()) {
    await using dataset = await openVerifiedDataset('s3://models/swapped', { policy, cacheBytes: 0 })
    for (let read = 0; read < READS_OF_ONE_OPENING; read++) {
      const start = random.below(signed.length)
      const stop = start + 1 + random.below(Math.min(signed.length - start, 3 * SHARD_SIZE))
      try {
        const bytes = Buffer.from(await (await dataset.asyncBuffer('numbers.bin')).slice(start, stop))
        if (bytes.equals(signed.subarray(start, stop))) counts.returned++
        else counts.unsigned++
      } catch (error) {
        if (!(error instanceof ModelSealError) || !REFUSALS.has(error.code)) throw error
        counts.refused++
      }
    }
  }
  expect(counts.unsigned).toBe(0)
  expect({ returned: counts.returned > 0, refused: counts.refused > 0 }).toEqual({ returned: true, refused: true })
})

/** A signed dataset whose only object alternates between two contents of the same size until the test ends. */
async function swappedDataset(prefix: string): Promise<{ signed: Buffer; policy: string }> {
  const directory = scratch()
  const publisher = publisherIn(directory)
  const { good, evil } = countedContents(96 * 1024)
  const object = join(store().bucket, prefix, 'numbers.bin')
  mkdirSync(join(store().bucket, prefix))
  writeFileSync(object, good)
  const signer = await keySigner({ privateKey: publisher.privateKey })
  const signature = join(directory, 'model.sig')
  await signModel(join(store().bucket, prefix), { signer, signature, shardSize: SHARD_SIZE })
  writeFileSync(join(store().bucket, prefix, 'model.sig'), readFileSync(signature))
  const policy = join(directory, 's3.yaml')
  writeFileSync(policy, readFileSync(publisher.policy, 'utf8').replace("path: '**'", "source: 's3://models/**'"))
  for (const [name, content] of Object.entries({ good, evil })) writeFileSync(join(directory, name), content)
  const workerData = { object, contents: [join(directory, 'evil'), join(directory, 'good')], seed: SEED }
  const swapper = new Worker(new URL('object-swapper.mjs', import.meta.url), { workerData })
  onTestFinished(async () => {
    await swapper.terminate()
  })
  await new Promise((resolve, reject) => swapper.once('message', resolve).once('error', reject))
  return { signed: good, policy }
}
