import { execFile, spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'

/** A model for ONNX Runtime to load. */
export interface LoadJob {
  /** Absolute path of its file. */
  path: string
  /** To be handed over as bytes, together with those of files in the directory `beside`. */
  inMemory?: { beside: string; externalData: string[] }
  options: object
}

export interface LoadOutcome {
  /** `loaded`, what the runtime says, or `crashed`. */
  result: string
  /** Absolute paths that were opened, or would have been if they existed. */
  opened: string[]
}

/** Whether this machine can tell which files a process opens. */
export function canTrace(): boolean {
  return process.platform === 'linux' && spawnSync('strace', ['-o', '/dev/null', 'true']).status === 0
}

/**
 * Has ONNX Runtime load models, in a process of its own and with `directory` as its working
 * directory, and tells which files it opens for each. Where the process dies, a new one goes on
 * with the next model.
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

/** @returns the first job that was not begun */
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
  // The runtime keeps a record of its use in the home directory, and would send it: looking a host up opens /etc/hosts.
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
/** What the system has to say of the machine itself. */
const OF_THE_SYSTEM = /^\/(proc|sys|dev)\//

/** @returns the last job that was begun */
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

/** strace writes strings as C does, and bytes beyond ASCII in octal. */
function unescaped(text: string): string {
  const bytes = text.replaceAll(/\\(?:([0-7]{1,3})|(.))/g, (_, octal?: string, letter?: string) =>
    octal === undefined ? (ESCAPES[letter!] ?? letter!) : String.fromCharCode(parseInt(octal, 8)),
  )
  return Buffer.from(bytes, 'latin1').toString('utf8')
}
