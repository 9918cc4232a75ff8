import { spawn } from 'node:child_process'
import { isSampled, type Sample } from './sample.mjs'
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'

export interface Position {
  line: number
  column: number
}

/** A mutant in Stryker's report. */
export interface Mutant {
  mutatorName: string
  replacement: string
  status: 'Killed' | 'Survived' | 'NoCoverage' | 'Timeout' | 'RuntimeError' | 'CompileError' | 'Ignored' | 'Pending'
  location: { start: Position; end: Position }
}

/** By file, its source and the mutants that were tried, now or in earlier runs. */
export type Results = Record<string, { source: string; mutants: Mutant[] }>

export interface Run {
  /** Of the mutated files. */
  folder: string
  /** Those with the tests. */
  tests: readonly string[]
  /** Files, or `FILE:FROM-TO` for lines. */
  mutate: readonly string[]
  concurrency: number
  /** Try mutants again whose code and tests have not changed. */
  force: boolean
  /** Try only a part of the mutants; what is known of others stays. */
  sample: Sample | undefined
  /** When to stop, in milliseconds of `Date.now()`. */
  until: number
}

export interface Outcome {
  results: Results
  /** How many mutants were not tried because the time was over; undefined if it was over before they were counted. */
  untried: number | undefined
}

const DIRECTORY = '.cache/mutation'

/** Within this time, Stryker writes what it has found so far once it is told to stop. */
const STOPPING_MS = 15_000

/** Timers cannot be longer than 24 days. */
const LONGEST_MS = 86_400_000

/** Runs Stryker for files of one folder. What was found in earlier runs is found again without trying, if nothing changed. */
export async function runStryker(run: Run): Promise<Outcome> {
  mkdirSync(DIRECTORY, { recursive: true })
  const name = runName(run)
  const [config, plan] = [`${DIRECTORY}/${name}.config.json`, `${DIRECTORY}/${name}.plan`]
  writeFileSync(config, JSON.stringify(optionsOf(run), undefined, 2))
  rmSync(plan, { force: true })
  const started = Date.now()
  const status = await runUntil(run, ['run', config], {
    MUTATION_FOLDERS: run.tests.join(','),
    MUTATION_PLAN: plan,
    MUTATION_SAMPLE: run.sample ? `${run.sample.percent}:${run.sample.seed}` : '',
  })
  rmSync(sandboxOf(name), { recursive: true, force: true })
  const planned = existsSync(plan) ? Number(readFileSync(plan, 'utf8')) : undefined
  if (status !== 'stopped' && status !== 0) throw new Error(`Stryker failed with status ${String(status)}.`)
  const file = incrementalFile(name)
  // If it was stopped before it had tried any, what is there is about the code of an earlier run.
  const isNew = existsSync(file) && statSync(file).mtimeMs >= started
  const results = isNew ? inSample(read(file), run.sample) : {}
  if (status !== 'stopped') return { results, untried: 0 }
  return { results, untried: planned === undefined ? undefined : Math.max(0, planned - countTried(results)) }
}

/** What is known about the mutants of a folder from earlier runs. */
export function resultsOf(folder: string): Results {
  return read(incrementalFile(nameOf(folder)))
}

function read(file: string): Results {
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as { files: Results }).files : {}
}

/** Those without coverage are reported whether or not they are in the sample. */
function inSample(results: Results, sample: Sample | undefined): Results {
  if (!sample) return results
  const isIn = (fileName: string, { mutatorName, replacement, location: { start } }: Mutant): boolean =>
    isSampled({ fileName, mutatorName, replacement, line: start.line, column: start.column }, sample)
  return Object.fromEntries(
    Object.entries(results).map(([file, { source, mutants }]) => [
      file,
      { source, mutants: mutants.filter((mutant) => isIn(file, mutant)) },
    ]),
  )
}

/** A sample is kept apart: its run says of the other mutants that they do not compile. */
function runName({ folder, sample }: Run): string {
  return sample ? `${nameOf(folder)}.sample` : nameOf(folder)
}

function nameOf(folder: string): string {
  return folder.replace('packages/', '').replaceAll('/', '-')
}

function sandboxOf(name: string): string {
  return `${DIRECTORY}/${name}.sandbox`
}

function incrementalFile(name: string): string {
  return `${DIRECTORY}/${name}.json`
}

function countTried(results: Results): number {
  return Object.values(results)
    .flatMap(({ mutants }) => mutants)
    .filter(({ status }) => status !== 'Ignored' && status !== 'Pending').length
}

function optionsOf(run: Run): object {
  const { mutate, concurrency, force, sample } = run
  const name = runName(run)
  return {
    mutate,
    concurrency,
    force: force || sample !== undefined,
    incremental: true,
    incrementalFile: incrementalFile(name),
    testRunner: 'vitest',
    // Threads cannot change the directory of the process, as tests do.
    vitest: { configFile: 'test/mutation/vitest.config.ts', pool: 'forks' },
    plugins: ['@stryker-mutator/vitest-runner', './test/mutation/plugin.mjs'],
    ignorers: ['sentences'],
    reporters: ['plan'],
    coverageAnalysis: 'perTest',
    // Each mutant is tried with types removed: one that does not compile counts, like the others, as killed by a test.
    disableTypeChecks: false,
    checkers: sample ? ['sample'] : [],
    ignorePatterns: ['.cache', '.stryker-tmp'],
    tempDirName: sandboxOf(name),
    cleanTempDir: 'always',
    allowEmpty: true,
    timeoutMS: 10_000,
    dryRunTimeoutMinutes: 15,
    logLevel: 'warn',
    thresholds: { break: null },
    warnings: { slow: false },
    allowConsoleColors: false,
  }
}

/** Interrupts Stryker when the time is over; it then saves what it has found. */
async function runUntil({ until }: Run, args: string[], variables: Record<string, string>) {
  const child = spawn('stryker', args, { stdio: 'inherit', env: { ...process.env, ...variables }, detached: true })
  const state = { stopped: false }
  const stop = (): void => {
    state.stopped = true
    child.kill('SIGINT')
  }
  const left = Math.min(until - Date.now(), LONGEST_MS)
  const stopping = setTimeout(stop, left)
  const killing = setTimeout(() => killGroup(child.pid), left + STOPPING_MS)
  const interrupted = (): void => {
    stop()
    process.exitCode = 130
  }
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted)
  const status = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  clearTimeout(stopping)
  clearTimeout(killing)
  process.removeListener('SIGINT', interrupted).removeListener('SIGTERM', interrupted)
  // Its processes with tests, which it does not wait for if it is interrupted.
  killGroup(child.pid)
  return state.stopped ? 'stopped' : status
}

function killGroup(leader: number | undefined): void {
  try {
    if (leader !== undefined) process.kill(-leader, 'SIGKILL')
  } catch {
    // All of them have ended.
  }
}
