import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { closeHashPool, configureHashing, openVerifiedModel, type ThreadPool } from '@modelseal/core'
import { keySigner, signModel } from '@modelseal/core/signing'
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { publisherIn, scratchOfSuite, writeTree } from '../support/models.ts'

// A model with a huge sparse file costs nothing to create, but keeps hashing threads busy for hours. Loads of other
// models must still finish.

// The one that @modelseal/core depends on.
const { Piscina } = createRequire(createRequire(import.meta.url).resolve('@modelseal/core'))('piscina') as {
  Piscina: new (options: object) => ThreadPool & { destroy(): Promise<void> }
}

const MIB = 1024 ** 2
const HUGE = '300G'

let policy: string
let hostileModel: string
let honestModel: string
beforeAll(async () => {
  const directory = scratchOfSuite()
  const publisher = publisherIn(directory)
  policy = publisher.policy
  const signer = await keySigner({ privateKey: publisher.privateKey })
  honestModel = join(directory, 'honest')
  writeTree(honestModel, { 'weights.bin': randomBytes(12 * MIB), 'config.json': '{}' })
  await signModel(honestModel, { signer })

  // Signed when the file was small, because content is compared only after it has been hashed.
  hostileModel = join(directory, 'hostile')
  const files = Object.fromEntries(Array.from({ length: 8 }, (_, i) => [`weights-${i}.bin`, 'weights']))
  writeTree(hostileModel, files)
  await signModel(hostileModel, { signer })
  const paths = Object.keys(files).map((name) => join(hostileModel, name))
  expect(spawnSync('truncate', ['-s', HUGE, ...paths]).status).toBe(0)
})

let stop: AbortController
let hostile: Promise<unknown>[]
beforeEach(() => {
  stop = new AbortController()
  hostile = []
})
afterEach(async () => {
  stop.abort()
  await Promise.all(hostile)
  configureHashing()
  await closeHashPool()
})

/** Loads that have all started hashing. */
async function startHostile(loads: number): Promise<void> {
  for (let i = 0; i < loads; i++) {
    await new Promise<void>((begun) => {
      const onProgress = () => begun()
      const load = openVerifiedModel(hostileModel, { policy, signal: stop.signal, onProgress })
      hostile.push(load.catch((error: unknown) => error).finally(begun))
    })
  }
}

async function honestLoadEndsFirst(): Promise<void> {
  const ended: string[] = []
  for (const load of hostile) void load.then((outcome) => ended.push(`hostile: ${String(outcome)}`))
  const model = await openVerifiedModel(honestModel, { policy })
  expect(ended).toEqual([])
  expect(model.verdict.decision).toBe('accepted')
  stop.abort()
  for (const load of hostile) await expect(load).resolves.toMatchObject({ code: 'ABORTED' })
  await model[Symbol.asyncDispose]()
}

test.each([
  { threads: 1, loads: 1 },
  { threads: 2, loads: 1 },
  { threads: 2, loads: 6 },
])('a load ends while $loads hostile loads keep $threads threads busy', async ({ threads, loads }) => {
  configureHashing({ maxThreads: threads })
  await startHostile(loads)
  await honestLoadEndsFirst()
})

test('a load finishes while hostile loads keep the threads of the program busy', async () => {
  const pool = new Piscina({ maxThreads: 1 })
  try {
    configureHashing({ pool })
    await startHostile(2)
    await honestLoadEndsFirst()
    await Promise.all(hostile)
  } finally {
    await pool.destroy()
  }
})

test.each([1, 2])(
  'a load finishes while the calling thread hashes hostile ones, with %i threads',
  async (maxThreads) => {
    configureHashing({ callingThread: true, maxThreads })
    await startHostile(3)
    await honestLoadEndsFirst()
  },
)
