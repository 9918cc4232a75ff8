import type * as FileSystem from 'node:fs'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { ModelSealError } from '../errors.ts'
import type * as RealTime from '../real-time.ts'
import { SimulatedFiles, SMALL, type Moment, type WriterStep } from '../testing/simulated-files.ts'
import { sha256 } from '../testing/hash-jobs.ts'
import type * as HashFile from './hash-file.ts'
import type * as HashFiles from './hash-files.ts'
import { hashWholeFiles } from './hash-whole-files.ts'
import { configureHashing } from './pool.ts'

// Runs the real code on simulated files, once for each way in which the steps of a writer can fall between its calls
// of the operating system. Whenever it accepts the model, there must be one moment at which the directories that were
// found were at their paths, and all files had the bytes whose digests it returns.

const run = vi.hoisted(() => ({
  files: undefined as SimulatedFiles | undefined,
  /** Number of files that the usual procedure hashed. */
  usual: 0,
}))
vi.mock('node:fs', async (original) => {
  const real = await original<typeof FileSystem>()
  const calls = ['openSync', 'readSync', 'fstatSync', 'lstatSync', 'closeSync'] as const
  const simulated = (name: (typeof calls)[number]) => {
    return (...given: unknown[]): unknown => Reflect.apply((run.files ?? real)[name], run.files, given)
  }
  return { ...real, ...Object.fromEntries(calls.map((name) => [name, simulated(name)])) }
})
vi.mock('../real-time.ts', async (original) => {
  const real = await original<typeof RealTime>()
  return {
    ...real,
    wallClock: () => run.files?.wallClock() ?? real.wallClock(),
    monotonic: () => run.files?.uptime ?? real.monotonic(),
  }
})
vi.mock('../source/local/file-system.ts', () => ({ foreignFileSystem: () => undefined }))
vi.mock('./hash-file.ts', async (original) => ({ ...(await original<typeof HashFile>()), CHUNK_BYTES: SMALL }))
vi.mock('./hash-files.ts', async (original) => {
  const real = await original<typeof HashFiles>()
  const hashFiles: typeof real.hashFiles = (jobs, options) => {
    run.usual = jobs.length
    return real.hashFiles(jobs, options)
  }
  return { ...real, hashFiles }
})

/** A writer: what it may do in its first step, in its second, and so on, and the state of the files before. */
interface Writer {
  steps: readonly (readonly string[])[]
  prepare?: (files: SimulatedFiles) => void
  /** True if it hides changes from the usual procedure as well. */
  isHidden?: boolean
  /** True if a file is too young, or on another device, from the start. */
  neverQuick?: boolean
}

/** How often the model was accepted by the quick procedure, by the usual one, or refused. */
const outcomes = { quick: 0, usual: 0, refused: 0 }

beforeAll(() => {
  configureHashing({ callingThread: true })
  vi.spyOn(process, 'uptime').mockReturnValue(1) // no turn is due
})
afterAll(() => {
  vi.restoreAllMocks()
  configureHashing()
})

const WRITE = of('write', 'a', 'b', 'l')
const EXCHANGE = of('exchange', '/m', '/m/d')
const BACK = of('clock', '-1000', '-1002')
const ANY = [
  ...[...WRITE, 'truncate b', 'replace b', 'remove b'],
  ...[...EXCHANGE, 'exchange /m/d/s', 'clock -3600000', 'wait 3000'],
]

const WRITERS: Record<string, Writer> = {
  'does any two things': { steps: [ANY, ANY] },
  'moves directories away and back, and writes meanwhile': { steps: [EXCHANGE, ['write a'], EXCHANGE] },
  'puts another file in the place of one, and the first one back': {
    steps: [of('replace', 'a', 'b'), of('restore', 'a', 'b'), ['write b']],
  },
  'sets the clock back': { steps: [BACK, of('write', 'a', 'b'), ['write b']] },
  'sets the clock back between writing': { steps: [['write a'], BACK, of('write', 'b', 'l')] },
  'is slow to write': { steps: [['clock -1000'], ['mark b'], of('write', 'a', 'l'), ['store b']], isHidden: true },
  'has just written to a file': { steps: [WRITE, WRITE], prepare: (files) => files.age('l', 500), neverQuick: true },
  'has written to files just before they would be old': {
    steps: [['clock -1000'], of('write', 'a', 'b'), ['write l']],
    prepare: (files) => ['a', 'b', 'l'].forEach((name, index) => files.age(name, 2_019 + index)),
    neverQuick: true,
    isHidden: true, // once the clock is set back, a file can get the same ctime again
  },
  'writes to a file on a device with another clock': {
    steps: [WRITE, WRITE],
    prepare: (files) => files.move('l'),
    neverQuick: true,
  },
}

describe('all digests are of one moment, whenever a writer', () => {
  test.each(Object.entries(WRITERS))('%s', async (_, writer) => {
    const { quick, usual, refused } = outcomes
    await explore(writer, [])
    expect(outcomes.quick > quick).toBe(!writer.neverQuick)
    expect(outcomes.usual).toBeGreaterThan(usual)
    expect(outcomes.refused).toBeGreaterThan(refused)
  })
})

/** Runs all plans that begin with this one. Of plans that differ only in the order of independent steps, one is enough. */
async function explore(writer: Writer, plan: WriterStep[]): Promise<void> {
  const calls = await outcome(writer, plan)
  const first = plan.at(-1)?.before ?? 0
  for (const actions of sequences(writer.steps.slice(plan.length)))
    for (let before = first; before < calls.length; before++)
      if (SimulatedFiles.isOrdered(actions.at(-1)!, calls[before]!))
        await explore(writer, [...plan, ...actions.map((action) => ({ action, before }))])
}

/** All that can be done in the next step, in the next two steps, and so on. */
function sequences([first, ...rest]: Writer['steps']): string[][] {
  return (first ?? []).flatMap((action) => [[action], ...sequences(rest).map((more) => [action, ...more])])
}

/** @returns the calls of the verifier */
async function outcome({ prepare, isHidden }: Writer, plan: WriterStep[]): Promise<SimulatedFiles['calls']> {
  const files = new SimulatedFiles(plan)
  prepare?.(files)
  run.files = files
  try {
    const { digests } = await hashWholeFiles(files.found, { hashType: 'sha256' })
    const by = run.usual < files.found.length ? 'quick' : 'usual'
    outcomes[by]++
    if ((by === 'quick' || !isHidden) && !files.moments.some((moment) => isOf(moment, files, digests)))
      expect.fail(`The ${by} procedure mixed moments: ${JSON.stringify(plan)}`)
  } catch (error) {
    if (!(error instanceof ModelSealError && error.code === 'FILE_CHANGED')) throw error
    outcomes.refused++
  } finally {
    run.files = undefined
  }
  return files.calls
}

function isOf({ directories, contents }: Moment, { found }: SimulatedFiles, digests: readonly string[]): boolean {
  return (
    found.every(({ directory }, index) => Number(directory?.ino) === directories[index]) &&
    digests.every((digest, index) => digest === digestOf(contents[index]))
  )
}

const known = new Map<string | undefined, string>()
function digestOf(content: string | undefined): string | undefined {
  if (content !== undefined && !known.has(content)) known.set(content, sha256(Buffer.from(content)))
  return known.get(content)
}

function of(verb: string, ...objects: readonly string[]): string[] {
  return objects.map((object) => `${verb} ${object}`)
}
