// The thread that tries inputs on a target, guided by what they execute. Another thread (run-target.ts) watches it.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { parentPort, workerData } from 'node:worker_threads'
import { Coverage, countCoverage, wordsOfSource } from './coverage.ts'
import { mutated, Random } from './mutate.ts'
import { SharedInput } from './shared-input.ts'
import type { Target } from './target.ts'

/** What the thread is told. */
export interface Job {
  /** Path of the target's module. */
  readonly target: string
  readonly seconds: number
  readonly seed: number
  /** Where the inputs stay that execute something new; they are seeds of the next run. */
  readonly corpus: string
  readonly memory: SharedArrayBuffer
}

/** What it reports when its time is over, or an input broke a promise. */
export interface Report {
  readonly executions: number
  readonly corpus: number
  readonly reached: number
  readonly finding?: { readonly input: Uint8Array; readonly error: string }
}

/** No input may take more time of the processor, in milliseconds: it is a hundred times what the slowest ones take. */
const MOST_MS = 2000

const job = workerData as Job
const coverage = new Coverage()
const shared = new SharedInput(job.memory)
const random = new Random(job.seed)
const corpus: Uint8Array[] = []

countCoverage()
const { default: target } = (await import(job.target)) as { default: Target }
const { longest = 4096 } = target
parentPort?.postMessage(await fuzz())

async function fuzz(): Promise<Report> {
  const end = Date.now() + job.seconds * 1000
  let executions = 0
  for (const seed of [...(await target.seeds()), ...keptInputs()]) {
    executions += 1
    const error = await broken(seed)
    if (error !== undefined) return reportOf(executions, { input: seed, error })
    if (coverage.isNew() || corpus.length === 0) corpus.push(seed)
  }
  const dictionary = [...wordsOfSource(), ...(target.dictionary ?? [])].map((word) => Buffer.from(word))
  while (Date.now() < end) {
    // Newer inputs are chosen more often: they got further.
    const parent = corpus[Math.max(random.below(corpus.length), random.below(corpus.length))] as Uint8Array
    const input = mutated(parent, { random, dictionary, corpus, longest })
    executions += 1
    const error = await broken(input)
    if (error !== undefined) return reportOf(executions, await shortened(input, error))
    if (coverage.isNew()) keep(input)
  }
  return reportOf(executions)
}

/** What the target threw, or undefined. */
async function broken(input: Uint8Array): Promise<string | undefined> {
  shared.set(input)
  coverage.begin()
  const before = processorMs()
  try {
    const later = target.check(Uint8Array.from(input))
    if (later instanceof Promise) await later
    const took = processorMs() - before
    return took > MOST_MS ? 'It takes more than 2 s of the processor.' : undefined
  } catch (error) {
    return error instanceof Error ? (error.stack ?? String(error)) : String(error)
  }
}

/** Only of this thread, so that other targets and programs do not count. */
function processorMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}

/** Removes what a finding does not need. */
async function shortened(found: Uint8Array, error: string): Promise<{ input: Uint8Array; error: string }> {
  let best = { input: found, error }
  for (let size = best.input.length >> 1; size > 0; size >>= 1) {
    for (let from = 0; from < best.input.length;) {
      const input = Buffer.concat([best.input.subarray(0, from), best.input.subarray(from + size)])
      const still = await broken(input)
      if (still !== undefined && firstLine(still) === firstLine(error)) best = { input, error: still }
      else from += size
    }
  }
  return best
}

function firstLine(text: string): string | undefined {
  return text.split('\n')[0]
}

function keep(input: Uint8Array): void {
  corpus.push(input)
  writeFileSync(join(job.corpus, createHash('sha256').update(input).digest('hex').slice(0, 32)), input)
}

function keptInputs(): Uint8Array[] {
  mkdirSync(job.corpus, { recursive: true })
  return readdirSync(job.corpus).map((name) => readFileSync(join(job.corpus, name)).subarray(0, longest))
}

function reportOf(executions: number, finding?: Report['finding']): Report {
  return { executions, corpus: corpus.length, reached: coverage.reached, ...(finding === undefined ? {} : { finding }) }
}
