import { execFile, spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'

/** A model for ONNX Runtime to load. */
export interface LoadJob {
  /** Absolute path of its file. */
  path: string
  /** Whether to pass it as bytes, together with those of the files in the directory `beside`. */
  inMemory?: { beside: string; externalData: string[] }
  options: object
}

export interface LoadOutcome {
  /** `loaded`, the message of the runtime, or `crashed`. */
  result: string
  /** Absolute paths that were opened, or would have been if they existed. */
  opened: string[]
}

/** Whether this machine can trace which files a process opens. */
export function canTrace(): boolean {
  return process.platform === 'linux' && spawnSync('strace', ['-o', '/dev/null', 'true']).status === 0
}

/**
 * Has ONNX Runtime load models in a separate process, with `directory` as its working directory,
 * and returns the files that it opens for each. If the process dies, a new one continues with the
 * next model.
 */
export async function openedFiles(directory: string, home: string, jobs: LoadJob[]): Promise<LoadOutcome[]> {
  mkdirSync(home, { recursive: true })
  const jobsPath = join(home, 'jobs.json')
  writeFileSync(jobsPath, JSON.stringify({ directory, jobs }))
  const outcomes = jobs.map((): LoadOutcome => ({ result: 'crashed', opened: [] }))
  for (let first = 0; first < jobs.length;) first = await traced(outcomes, { directory, home, jobsPath, first })
  return outcomes
}

interface Run {
  directory: string
  home: string
  jobsPath: string
  first: number
}

const LOADER = join(import.meta.dirname, 'load-onnx-batch.mjs')
const LONGEST_BATCH_MS = 120_000

/** @returns the first job that was not started */
async function traced(outcomes: LoadOutcome[], { directory, home, jobsPath, first }: Run): Promise<number> {
  const trace = join(home, 'trace')
  const calls = 'trace=open,openat,openat2,creat'
  const args = [
    '-f',
    '-y',
    '--seccomp-bpf',
    '-o',
    trace,
    '-e',
    calls,
    process.execPath,
    LOADER,
    jobsPath,
    String(first),
  ]
  // The runtime records its use in the home directory and would send it; looking up the host opens /etc/hosts.
  const env = { ...process.env, HOME: home, XDG_CACHE_HOME: home, TMPDIR: home, ORT_DISABLE_TELEMETRY: '1' }
  const options = { env, timeout: LONGEST_BATCH_MS, killSignal: 'SIGTERM', maxBuffer: 2 ** 28 } as const
  const { stdout, stderr } = await promisify(execFile)('strace', args, options).catch(
    (error: unknown) => error as { stdout: string; stderr: string },
  )
  for (const line of stdout.split('\n').filter((text) => text.endsWith('}'))) {
    const { index, result } = JSON.parse(line) as { index: number; result: string }
    outcomes[index]!.result = result
  }
  const last = collect(readFileSync(trace, 'latin1'), outcomes, directory, home)
  if (last === undefined) throw new Error(`The process that loads models did not begin: ${stderr}`)
  return last + 1
}

const CALL = /^\d+ +(?:open|creat|openat2?)\((?:(?:AT_FDCWD|-?\d+)(?:<([^>]*)>)?, )?"((?:[^"\\]|\\.)*)"/
const MARK = /^\/modelseal-attack\/(?:load\/(\d+)|between)$/
/** Files with which the system describes the machine. */
const OF_THE_SYSTEM = /^\/(proc|sys|dev)\//

/** @returns the last job that was started */
function collect(trace: string, outcomes: LoadOutcome[], directory: string, home: string): number | undefined {
  let last: number | undefined
  let current: LoadOutcome | undefined
  for (const line of trace.split('\n')) {
    const [, base, name] = CALL.exec(line) ?? []
    if (name === undefined) continue
    const path = resolve(base ?? directory, unescaped(name))
    const mark = MARK.exec(path)
    if (mark) {
      last = mark[1] === undefined ? last : Number(mark[1])
      current = mark[1] === undefined ? undefined : outcomes[Number(mark[1])]
    } else if (current && !OF_THE_SYSTEM.test(path) && !path.startsWith(`${home}/`)) current.opened.push(path)
  }
  return last
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', v: '\v', f: '\f' }

/** strace escapes strings as in C, and non-ASCII bytes in octal. */
function unescaped(text: string): string {
  const bytes = text.replaceAll(/\\(?:([0-7]{1,3})|(.))/g, (_, octal?: string, letter?: string) =>
    octal === undefined ? (ESCAPES[letter!] ?? letter!) : String.fromCharCode(parseInt(octal, 8)),
  )
  return Buffer.from(bytes, 'latin1').toString('utf8')
}
