import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { ModelSealError, type ModelReader } from '@modelseal/core'
import { checkedSessionOptions, gatherOnnx, placeOnnx, sessionOptionsFor } from '@modelseal/onnxruntime/model-files'
import { InferenceSession } from 'onnxruntime-node'
import { beforeAll, expect, test } from 'vitest'
import { floats, graph, inlineTensor, model, node, value } from '../onnx-models.ts'
import { scratchOfSuite } from '../support/models.ts'
import { canTrace, openedFiles, type LoadJob, type LoadOutcome } from './opened-files.ts'
import { attackRuns } from '../../packages/core/src/testing/runs.ts'
import { firstSeed, Random, reproducing } from './random.ts'
import { randomOnnx } from './random-onnx.ts'
import { LOCATIONS } from './random-tensors.ts'
import { damaged } from './wire-trees.ts'

// The real runtime loads random models, with a file at every name that they can refer to. It must not
// open any file that the adapter did not list.

const BATCH = 500
/** Threads would only take time. */
const QUIET = checkedSessionOptions({ intraOpNumThreads: 1, interOpNumThreads: 1, logSeverityLevel: 4 })

const directory = scratchOfSuite()
const home = join(directory, 'home')
/** The working directory of the process. A name that is looked up here instead of beside the model is also a fault. */
const trap = join(directory, 'trap')
let ort: Buffer

beforeAll(async () => {
  for (const location of [...LOCATIONS, '../outside.bin']) {
    wait(join(trap, cutAtNul(location)))
    wait(join(trap, 'model', cutAtNul(location)))
  }
  const path = join(directory, 'model.ort')
  const adding = { nodes: [node('Add', ['x', 'w'], ['y'])], initializers: [inlineTensor('w', 1, 2)] }
  const session = await InferenceSession.create(
    model(graph({ ...adding, inputs: [value('x', 2)], outputs: [value('y', 2)] })),
    { optimizedModelFilePath: path, extra: { session: { save_model_format: 'ORT' } } },
  )
  await session.release()
  ort = readFileSync(path)
})

function cutAtNul(location: string): string {
  return location.replace(/\0.*/, '')
}

function wait(path: string): void {
  if (path.endsWith('/') || existsSync(path)) return
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, floats(...Array<number>(16).fill(1)))
}

/** A model, and the files that the adapter requests for it. */
interface Case {
  seed: number
  path: string
  jobs: LoadJob[]
  /** Absolute paths of all files that it listed, including the model. */
  listed: Set<string>
}

async function makeCase(seed: number): Promise<Case> {
  const random = new Random(seed)
  const bytes = random.chance(0.05) ? damaged(random, damaged(random, ort)) : randomOnnx(random)
  const name = `model/${seed}.onnx`
  const path = join(trap, name)
  writeFileSync(path, bytes)
  const made: Case = { seed, path, jobs: [], listed: new Set() }
  await refusedOr(async () => {
    const placed = await placeOnnx(readerOf(made), name)
    made.jobs.push({ path, options: sessionOptionsFor(placed, QUIET) })
  })
  await refusedOr(async () => {
    const inMemory = await gatherOnnx(readerOf(made), name)
    if (!('bytes' in inMemory)) return
    const externalData = inMemory.externalData.map((file) => file.path)
    const options = sessionOptionsFor({ ...inMemory, externalData: [] }, QUIET)
    made.jobs.push({ path, inMemory: { beside: dirname(path), externalData }, options })
  })
  return made
}

async function refusedOr(load: () => Promise<void>): Promise<void> {
  try {
    await load()
  } catch (error) {
    if (!(error instanceof ModelSealError)) throw error
    expect(['MODEL_FORMAT', 'PATH_ESCAPES', 'FILE_NOT_SIGNED']).toContain(error.code)
  }
}

/** A model in which every file is signed. */
function readerOf({ listed }: Case): ModelReader {
  const pathOf = (name: string) => join(trap, name)
  const read = (name: string) => {
    try {
      return new Uint8Array(readFileSync(pathOf(name)))
    } catch (cause) {
      throw new ModelSealError('FILE_NOT_SIGNED', 'There is no such file.', { file: name, cause })
    }
  }
  return {
    entry: undefined,
    files: [],
    loads: () => undefined,
    size: () => 0,
    inMemory: () => true,
    read: (name) => Promise.resolve(read(name)),
    readAll: (requests) => Promise.resolve(requests.map(({ name }) => read(name))),
    place: (names) => {
      for (const name of names) listed.add(pathOf(name))
      return Promise.resolve({ directory: trap, isolation: 'copy', path: pathOf })
    },
  }
}

/** Files that the runtime opened although they were not listed; for a model from memory, any file. */
function unlisted({ listed }: Case, { inMemory }: LoadJob, { opened }: LoadOutcome): string[] {
  return inMemory ? opened : opened.filter((path) => !listed.has(path))
}

test.runIf(canTrace())(
  'the runtime opens only the files that the adapter lists for a random model',
  { timeout: 0 },
  async () => {
    const [runs, first] = [attackRuns(200), firstSeed()]
    const counts = { refused: 0, loaded: 0, crashed: 0, opening: 0 }
    for (let from = 0; from < runs; from += BATCH) {
      const cases: Case[] = []
      for (let i = from; i < Math.min(from + BATCH, runs); i++) cases.push(await makeCase(first + i))
      const loads = cases.flatMap((made) => made.jobs.map((job) => ({ made, job })))
      const outcomes = await openedFiles(
        trap,
        home,
        loads.map(({ job }) => job),
      )
      counts.refused += cases.filter(({ jobs }) => jobs.length === 0).length
      for (const [index, { made, job }] of loads.entries()) {
        const outcome = outcomes[index]!
        if (outcome.result === 'loaded') counts.loaded++
        if (outcome.result === 'crashed') counts.crashed++
        if (outcome.opened.some((path) => path !== made.path)) counts.opening++
        expect(unlisted(made, job, outcome), reproducing(made.seed)).toEqual([])
      }
      for (const { path } of cases) rmSync(path)
    }
    console.log(`Random ONNX models from seed ${first}: ${JSON.stringify({ runs, ...counts })}`)
    // If the runtime accepted none of the models, the test would prove nothing.
    if (runs < 100) return
    expect(counts.opening / runs).toBeGreaterThan(0.2)
    expect(counts.loaded / runs).toBeGreaterThan(0.2)
    expect(counts.refused / runs).toBeLessThan(0.5)
  },
)
