import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import {
  closeHashPool,
  loadPolicy,
  ModelSealError,
  openVerifiedModel,
  type ModelReader,
  type OpenOptions,
  type Policy,
} from '@modelseal/core'
import { keySigner, signModel } from '@modelseal/core/signing'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { publisherIn, remove, scratchOfSuite, writeTree, type Publisher } from '../support/models.ts'
import { ownTemporaryDirectory } from './temporary.ts'

// Loads that are interrupted: each throws a typed error, leaves nothing behind, and hands out
// nothing.

const LINUX = process.platform === 'linux'
const LEVELS = ['memory', 'copy', 'in-place'] as const
type Level = (typeof LEVELS)[number]
const MIB = 1024 * 1024
/** Enough to keep the threads of the pool busy for a while. */
const SIZES = { 'a.bin': 24 * MIB, 'sub/b.bin': 24 * MIB, 'sub/c.bin': 3 * MIB }

const directory = scratchOfSuite()
let publisher: Publisher
let policy: Policy

beforeAll(async () => {
  publisher = publisherIn(directory)
  policy = await loadPolicy(publisher.policy)
  const sizes = Object.entries(SIZES)
  await signed('large', Object.fromEntries(sizes.map(([name, size]) => [name, Buffer.alloc(size, name)])))
  await signed('many', Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`f${i}`, `content ${i}`])))
})
afterAll(() => closeHashPool())

async function signed(name: string, files: Record<string, string | Buffer>): Promise<void> {
  writeTree(join(directory, name), files)
  for (const file of Object.keys(files)) chmodSync(join(directory, name, file), 0o644)
  const signer = await keySigner({ privateKey: publisher.privateKey })
  await signModel(join(directory, name), { signer, signature: join(directory, `${name}.sig`) })
}

/** The outcome of a load. */
interface Outcome {
  code: unknown
  handedOver: boolean
}

async function load(isolation: Level, options: OpenOptions = {}, onHashing?: () => void): Promise<Outcome> {
  const gather = async (reader: ModelReader) => {
    onHashing?.()
    if (isolation === 'memory') return Promise.all(reader.files.map((name) => reader.read(name)))
    return reader.place(reader.files)
  }
  try {
    const open = { policy, isolation, signature: join(directory, 'large.sig'), ...options }
    await using opened = await openVerifiedModel(join(directory, 'large'), open, gather)
    opened.confirm()
    return { code: 'accepted', handedOver: true }
  } catch (error) {
    if (!(error instanceof ModelSealError)) throw error
    return { code: error.code, handedOver: false }
  }
}

function openFiles(): string[] {
  return LINUX ? readdirSync('/proc/self/fd') : []
}

/** Threads release what they hold soon after an error; anything that remains is a leak. */
async function backTo(before: number): Promise<void> {
  for (let i = 0; i < 100 && openFiles().length > before; i++) await setTimeout(20)
  expect(openFiles().length).toBeLessThanOrEqual(before)
}

describe.each(LEVELS)('under %s', (level) => {
  test('a load that is aborted at any moment leaves no files and returns nothing', async () => {
    const temporary = ownTemporaryDirectory()
    expect(await load(level)).toEqual({ code: 'accepted', handedOver: true })
    const start = performance.now()
    await load(level)
    const whole = performance.now() - start
    const before = openFiles().length
    const codes = new Set<unknown>()
    await fc.assert(
      fc.asyncProperty(fc.double({ min: 0, max: 1, noNaN: true }), async (moment) => {
        const abort = new AbortController()
        const timer = setTimeout(moment * whole).then(() => abort.abort())
        const { code, handedOver } = await load(level, { signal: abort.signal })
        await timer
        codes.add(code)
        expect(handedOver).toBe(code === 'accepted')
        expect(['accepted', 'ABORTED']).toContain(code)
        expect(readdirSync(temporary)).toEqual([])
      }),
      { numRuns: 25 },
    )
    expect(codes).toContain('ABORTED')
    await backTo(before)
  })

  test('a load whose threads die refuses the model, and the next one loads it', async () => {
    const temporary = ownTemporaryDirectory()
    await load(level)
    const before = openFiles().length
    const codes: unknown[] = []
    for (const delay of [0, 1, 2, 4, 8, 16]) {
      let killing: Promise<void> | undefined
      const { code, handedOver } = await load(level, {}, () => {
        killing = setTimeout(delay).then(() => closeHashPool())
      })
      await killing
      codes.push(code)
      expect(handedOver).toBe(code === 'accepted')
      expect(['accepted', 'WORKER_FAILED']).toContain(code)
      expect(readdirSync(temporary)).toEqual([])
    }
    expect(codes).toContain('WORKER_FAILED')
    expect(await load(level)).toEqual({ code: 'accepted', handedOver: true })
    await backTo(before)
  })

  test('a progress callback that throws at any moment leaves nothing', async () => {
    const temporary = ownTemporaryDirectory()
    await load(level)
    const before = openFiles().length
    for (let moment = 0; moment < 3; moment++) {
      let calls = 0
      const onProgress = () => {
        if (calls++ >= moment) throw new Error('the caller’s own')
      }
      const { code } = await load(level, { onProgress })
      expect(code).toBe(calls > moment ? 'INVALID_ARGUMENT' : 'accepted')
      expect(readdirSync(temporary)).toEqual([])
    }
    await backTo(before)
  })

  test.runIf(LINUX)('a process without free descriptors refuses the model and leaks none', () => {
    // Node.js itself needs about twenty; 200 files in place need one each.
    const codes = [24, 32, 64, 400].map((limit) => limited(`ulimit -n ${limit}`, 'many', level))
    for (const outcome of codes) {
      if (outcome === undefined) continue // too few for Node.js itself to start
      expect(outcome).toMatchObject({ typed: true, leaked: 0, left: [] })
      expect(outcome.handedOver).toBe(outcome.code === 'accepted')
    }
    expect(codes.at(-1)?.code).toBe('accepted')
    if (level === 'in-place') expect(codes.map((outcome) => outcome?.code)).toContain('FILE_UNREADABLE')
  })
})

test.runIf(LINUX)('a process that may not write such a large file refuses the copy', () => {
  // The limit is in blocks of 1024 bytes. Beyond it, the system sends a signal, which Node.js ignores.
  expect(limited('ulimit -f 2048', 'large', 'copy')).toMatchObject({
    code: 'COPY_FAILED',
    typed: true,
    handedOver: false,
    leaked: 0,
    left: [],
  })
})

/** A file system of one megabyte; undefined if this user may not mount one. */
function tinyFileSystem(): string | undefined {
  const path = join(directory, 'tiny')
  mkdirSync(path, { recursive: true })
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m,mode=700', 'none', path], { stdio: 'ignore' })
    return path
  } catch {
    return undefined
  }
}

test.runIf(LINUX)('a file system without space for a copy is left empty, and the copy is made elsewhere', (context) => {
  const temporary = tinyFileSystem()
  if (temporary === undefined) return context.skip('only root can mount a small file system')
  onTestFinished(() => void execFileSync('umount', ['-l', temporary]))
  for (const model of ['large', 'many'] as const) {
    const outcome = limited('true', model, 'copy', temporary)
    expect(outcome).toMatchObject({ typed: true, leaked: 0, left: [] })
    expect(outcome).toMatchObject({ code: 'accepted', handedOver: true })
  }
})

interface LimitedOutcome extends Outcome {
  typed: boolean
  leaked: number
  left: string[]
}

/** @returns undefined if Node.js itself does not start under the limit */
function limited(limit: string, model: string, level: Level, temporary?: string): LimitedOutcome | undefined {
  const own = temporary ?? join(directory, `tmp-${Math.random()}`)
  if (temporary === undefined) mkdirSync(own, { mode: 0o700 })
  const args = [join(directory, model), join(directory, `${model}.sig`), publisher.policy, level]
  const script = `${limit} && exec "$0" "$@"`
  try {
    const output = execFileSync(
      'sh',
      ['-c', script, process.execPath, join(import.meta.dirname, 'failing-load.mjs'), ...args],
      { encoding: 'utf8', env: { ...process.env, TMPDIR: own }, stdio: ['ignore', 'pipe', 'ignore'] },
    )
    return JSON.parse(output) as LimitedOutcome
  } catch (error) {
    if ((error as { stdout?: string }).stdout === '') return undefined
    throw error
  } finally {
    if (temporary === undefined) remove(own)
  }
}
