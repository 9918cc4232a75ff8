// Runs the contestants of a case alternately, so that disturbances affect all of them.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { root } from './data.mjs'

/**
 * Each contestant has `name` and `command`; `before`, which runs first and is not measured; `says`, if the
 * program prints its own measurements as JSON on its last line; and `memory`, if its peak memory is of
 * interest. The first round counts only for memory, because reporting that takes time.
 */
export async function measure(contestants, rounds) {
  const measured = contestants.map(({ name, ours = false }) => ({ name, ours, seconds: [], megabytes: [] }))
  for (let round = 0; round <= rounds; round++) {
    for (const [index, contestant] of contestants.entries()) {
      contestant.before?.()
      const first = round === 0
      const { seconds, megabytes } = run(first && contestant.memory ? reporting(contestant) : contestant)
      if (megabytes !== undefined && (first ? contestant.memory : contestant.says))
        measured[index].megabytes.push(megabytes)
      if (seconds !== undefined && !first) measured[index].seconds.push(seconds)
    }
  }
  return measured
}

function reporting(contestant) {
  const [node, ...args] = contestant.command
  return {
    ...contestant,
    command: [node, '--import', new URL('programs/report-memory.mjs', import.meta.url).href, ...args],
  }
}

function run({ command: [program, ...args], says }) {
  const directory = mkdtempSync(join(tmpdir(), 'modelseal-bench-'))
  const memory = join(directory, 'memory')
  try {
    const started = process.hrtime.bigint()
    const { status, stdout, stderr, error } = spawnSync(program, args, {
      cwd: root,
      encoding: 'utf8',
      maxBuffer: 2 ** 28,
      env: { ...process.env, MODELSEAL_BENCH_MEMORY: memory },
    })
    const seconds = Number(process.hrtime.bigint() - started) / 1e9
    if (status !== 0) throw new Error(`${program} ${args.join(' ')} failed: ${error ?? stderr.trim()}`)
    return says ? JSON.parse(stdout.trim().split('\n').at(-1)) : { seconds, megabytes: peakIn(memory) }
  } finally {
    rmSync(directory, { recursive: true })
  }
}

/** The report that programs/report-memory.mjs wrote in a program that was started with it. */
function peakIn(path) {
  try {
    return Number(readFileSync(path, 'utf8'))
  } catch {
    return undefined
  }
}

/** How busy other processes keep the processors, from 0 to 1: ratios of programs with two threads need two free processors. */
export async function busy() {
  const [before, after] = [cpuTimes(), await setTimeout(1_000).then(cpuTimes)]
  return 1 - (after.idle - before.idle) / (after.all - before.all)
}

function cpuTimes() {
  const times = cpus().map((cpu) => cpu.times)
  const idle = times.reduce((sum, one) => sum + one.idle, 0)
  return { idle, all: times.reduce((sum, one) => sum + Object.values(one).reduce((a, b) => a + b), 0) }
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}
