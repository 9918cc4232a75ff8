import { chmodSync, cpSync } from 'node:fs'
import { join } from 'node:path'
import {
  closeHashPool,
  loadPolicy,
  ModelSealError,
  openVerifiedDataset,
  type OpenedDataset,
  type Policy,
} from '@modelseal/core'
import { keySigner, signModel } from '@modelseal/core/signing'
import { afterAll, describe, expect, test } from 'vitest'
import { attackRuns } from '../../packages/core/src/testing/runs.ts'
import { countedContents } from '../support/counted-contents.ts'
import { tarArchive } from '../support/tar-archive.ts'
import { publisherIn, scratch, writeTree } from '../support/models.ts'
import { Random } from './random.ts'
import { KINDS, MOST_SECONDS, REFUSALS, SEED, swapping, type Kind } from './swaps.ts'

// Another process swaps signed and unsigned content of a file as fast as it can while ranges, records and members of it are read. No read may
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
}

interface Contents {
  good: Buffer
  evil: Buffer
}

/** @returns whether everything that was handed out was signed at its place */
type Read = (dataset: OpenedDataset, random: Random) => Promise<boolean>

/** A signed dataset, with the files that the other process needs. */
async function target(contents: Contents, shardSize?: number): Promise<Target> {
  const directory = scratch()
  const publisher = publisherIn(directory)
  for (const content of ['good', 'evil'] as const) {
    writeTree(join(directory, content), { 'README.md': 'numbers', [NAME]: contents[content] })
    for (const file of ['README.md', NAME]) chmodSync(join(directory, content, file), 0o644)
  }
  const signer = await keySigner({ privateKey: publisher.privateKey })
  await signModel(join(directory, 'good'), { signer, signature: join(directory, 'model.sig'), shardSize })
  cpSync(join(directory, 'good'), join(directory, 'models', 'model'), { recursive: true })
  return { directory, policy: await loadPolicy(publisher.policy) }
}

/** Reads until it was often enough, and counts the outcomes. */
async function attack({ directory, policy }: Target, read: Read, reads: number) {
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
      for (let count = 0; count < READS_OF_ONE_OPENING; count++)
        await refusing(counts, async () => {
          if (await read(dataset, random)) counts.returned++
          else counts.unsigned++
        })
    })
  }
  if (process.env['MODELSEAL_ATTACK_SECONDS'] !== undefined) console.log(counts, { openings })
  return counts
}

/** Reads a range of the file. */
const rangeOf =
  (signed: Buffer): Read =>
  async (dataset, random) => {
    const start = random.below(signed.length)
    const stop = start + 1 + random.below(Math.min(signed.length - start, 3 * SHARD_SIZE))
    const buffer = await dataset.asyncBuffer(NAME)
    return Buffer.from(await buffer.slice(start, stop)).equals(signed.subarray(start, stop))
  }

async function refusing(counts: { refused: number }, action: () => Promise<void>): Promise<void> {
  try {
    await action()
  } catch (error) {
    if (!(error instanceof ModelSealError) || !REFUSALS.has(error.code)) throw error
    counts.refused++
  }
}

async function check(kind: Kind, dataset: Target, read: Read, reads: number): Promise<void> {
  await swapping(kind, dataset.directory)
  const { returned, refused, unsigned } = await attack(dataset, read, reads)
  expect(unsigned).toBe(0)
  expect({ returned: returned > 0, refused: refused > 0 }).toEqual({ returned: true, refused: true })
}

const TIMEOUT = 600_000

test.each(KINDS)(
  'no range of a file that was signed in shards has other bytes, while it is swapped by: %s',
  { timeout: TIMEOUT },
  async (kind) => {
    const contents = countedContents(96 * 1024)
    await check(kind, await target(contents, SHARD_SIZE), rangeOf(contents.good), Math.ceil(READS / KINDS.length))
  },
)

test.each(['rename', 'write'] as const)(
  'no range of a file that was signed whole has other bytes, while it is swapped by: %s',
  { timeout: TIMEOUT },
  async (kind) => {
    // More than one of the parts of 4 MiB that are compared again.
    const contents = countedContents(5 * 1024 * 1024)
    await check(kind, await target(contents), rangeOf(contents.good), Math.ceil(READS / 50))
  },
)

const RECORDS = 4_000
/** Two files of records of the same length, none of which is in both. */
const recordFiles = (line: (index: number, word: string) => string, head = ''): Contents => {
  const file = (word: string) =>
    Buffer.from(head + Array.from({ length: RECORDS }, (_, index) => `${line(index, word)}\n`).join(''))
  return { good: file('good'), evil: file('evil') }
}

/** Reads records until the end, or the first that fails. */
const recordsOf =
  (format: 'csv' | 'jsonl'): Read =>
  async (dataset) => {
    let index = 0
    for await (const record of await dataset.records(NAME, { format })) {
      const { at, word } = record as { at: unknown; word: unknown }
      if (String(at) !== String(index++) || word !== 'good') return false
    }
    return index === RECORDS
  }

const MEMBERS = Array.from({ length: 12 }, (_, index) => String(index))
const memberNames = (word: string) => MEMBERS.map((index) => `${word}-${index}.bin`)

async function tarFiles(): Promise<Contents & { members: Buffer[] }> {
  const { good, evil } = countedContents(5_000 * MEMBERS.length)
  const part = (bytes: Buffer, index: number) => bytes.subarray(index * 5_000, (index + 1) * 5_000)
  const archive = (word: string, bytes: Buffer) =>
    tarArchive(memberNames(word).map((name, index) => ({ name, content: part(bytes, index) })))
  return {
    good: await archive('good', good),
    evil: await archive('evil', evil),
    members: MEMBERS.map((_, index) => part(good, index)),
  }
}

/** Lists the archive, unless that was done since the dataset was opened, and reads a member. */
const memberOf =
  (members: readonly Buffer[]): Read =>
  async (dataset, random) => {
    const listed = (await dataset.members(NAME)).map(({ name }) => name)
    if (listed.join() !== memberNames('good').join()) return false
    const index = random.below(members.length)
    const bytes = await dataset.member(NAME, `good-${index}.bin`)
    return members[index]?.equals(bytes) === true
  }

const FORMATS = {
  'record of CSV': async () => ({
    contents: recordFiles((at, word) => `${at},${word}`, 'at,word\n'),
    read: recordsOf('csv'),
  }),
  'record of JSON lines': async () => ({
    contents: recordFiles((at, word) => JSON.stringify({ at, word })),
    read: recordsOf('jsonl'),
  }),
  'member of a tar archive': async () => {
    const { members, ...contents } = await tarFiles()
    return { contents, read: memberOf(members) }
  },
} as const

describe.each(['rename', 'write'] as const)('while the file is swapped by: %s,', (kind) => {
  test.each(Object.keys(FORMATS) as (keyof typeof FORMATS)[])(
    'no %s has other bytes',
    { timeout: TIMEOUT },
    async (format) => {
      const { contents, read } = await FORMATS[format]()
      expect(contents.evil).toHaveLength(contents.good.length)
      await check(kind, await target(contents, SHARD_SIZE), read, Math.ceil(READS / 50))
    },
  )
})
