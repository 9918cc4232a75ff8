import { chmodSync, chownSync, cpSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import {
  closeHashPool,
  loadPolicy,
  ModelSealError,
  openVerifiedModel,
  type ModelReader,
  type Policy,
  type OpenedModel,
} from '@modelseal/core'
import { keySigner, signModel } from '@modelseal/core/signing'
import { afterAll, describe, expect, test } from 'vitest'
import { publisherIn, scratch, writeTree } from '../support/models.ts'
import { Random } from './random.ts'
import { KINDS, MOST_SECONDS, REFUSALS, SECONDS, SEED, swapping, type Kind } from './swaps.ts'
import { ownTemporaryDirectory } from './temporary.ts'

// Another process swaps good and evil content as fast as it can while this one loads. No load may
// ever hand out a byte of the evil content.

const ROOT = process.geteuid?.() === 0
const STRANGER = 65_534

const LEVELS = ['memory', 'copy', 'in-place'] as const
type Level = (typeof LEVELS)[number]

afterAll(() => closeHashPool())

interface Target {
  directory: string
  policy: Policy
  weights: { good: Buffer; evil: Buffer }
}

/** A signed model, with the files that the swapper needs. */
async function target(size: number): Promise<Target> {
  const directory = scratch()
  const publisher = publisherIn(directory)
  const weights = { good: Buffer.alloc(size, 'good'), evil: Buffer.alloc(size, 'evil') }
  for (const content of ['good', 'evil'] as const) {
    writeTree(join(directory, content), { 'config.json': '{}', 'sub/weights.bin': weights[content] })
    for (const file of ['config.json', 'sub/weights.bin']) chmodSync(join(directory, content, file), 0o644)
  }
  const signer = await keySigner({ privateKey: publisher.privateKey })
  await signModel(join(directory, 'good'), { signer, signature: join(directory, 'model.sig') })
  cpSync(join(directory, 'good'), join(directory, 'models', 'model'), { recursive: true })
  return { directory, policy: await loadPolicy(publisher.policy), weights }
}

/** Loads like a runtime that gets buffers or paths. */
function gathering(level: Level) {
  return async (reader: ModelReader) => {
    if (level !== 'memory') return (await reader.place(reader.files)).path
    const bytes = await reader.read('sub/weights.bin')
    return () => bytes
  }
}

async function loaded({ directory, policy }: Target, level: Level) {
  return openVerifiedModel(
    join(directory, 'models', 'model'),
    { policy, isolation: level, signature: join(directory, 'model.sig') },
    gathering(level),
  )
}

async function weightsOf(model: OpenedModel<(name: string) => string | Uint8Array>, random: Random): Promise<Buffer> {
  const weights = model.gathered('sub/weights.bin')
  if (typeof weights !== 'string') return Buffer.from(weights)
  // A runtime opens a path later, which leaves time to swap between check and use.
  await setTimeout(random.below(30))
  return readFileSync(weights)
}

/** Loads until the time is up, and counts the outcomes. */
async function attack(model: Target, kind: Kind, level: Level, needsAccepted = true) {
  const counts = { accepted: 0, refused: 0, evil: 0 }
  const random = new Random(SEED)
  const start = performance.now()
  const seconds = () => (performance.now() - start) / 1000
  const enough = () => counts.refused > 0 && (counts.accepted > 0 || !needsAccepted)
  while (seconds() < SECONDS || (!enough() && seconds() < MOST_SECONDS)) {
    try {
      await using opened = await loaded(model, level)
      const weights = await weightsOf(opened, random)
      // A process that may write to the file can do so after it was hashed; then the confirmation refuses it.
      if (kind === 'write' && level === 'in-place') opened.confirm()
      if (weights.equals(model.weights.good)) counts.accepted++
      else counts.evil++
    } catch (error) {
      if (!(error instanceof ModelSealError) || !REFUSALS.has(error.code)) throw error
      counts.refused++
    }
  }
  if (process.env['MODELSEAL_ATTACK_SECONDS'] !== undefined) console.log(level, kind, counts)
  return counts
}

describe.each(LEVELS)('under %s, no load gets evil content', (level) => {
  test.each(KINDS)('while it is swapped by: %s', async (kind) => {
    const model = await target(96 * 1024)
    const temporary = ownTemporaryDirectory()
    await swapping(kind, model.directory)
    const { accepted, refused, evil } = await attack(model, kind, level)
    expect(evil).toBe(0)
    expect({ accepted: accepted > 0, refused: refused > 0 }).toEqual({ accepted: true, refused: true })
    expect(readdirSync(temporary)).toEqual([])
  })

  test.each(['rename', 'write'] as const)('that threads hash, while it is swapped by: %s', async (kind) => {
    const model = await target(9 * 1024 * 1024)
    await swapping(kind, model.directory)
    const { accepted, refused, evil } = await attack(model, kind, level)
    expect(evil).toBe(0)
    expect({ accepted: accepted > 0, refused: refused > 0 }).toEqual({ accepted: true, refused: true })
  })

  test.runIf(ROOT).each(['rename', 'link', 'directory'] as const)(
    'from another user, who owns the directories, while it is swapped by: %s',
    async (kind) => {
      const model = await target(96 * 1024)
      chmodSync(model.directory, 0o777)
      for (const name of ['models', 'models/model', 'models/model/sub'])
        chownSync(join(model.directory, name), STRANGER, STRANGER)
      await swapping(kind, model.directory, STRANGER)
      // Files that belong to another user are never loaded in place.
      const { accepted, refused, evil } = await attack(model, kind, level, level !== 'in-place')
      expect(evil).toBe(0)
      expect(refused).toBeGreaterThan(0)
      if (level !== 'in-place') expect(accepted).toBeGreaterThan(0)
    },
  )
})
