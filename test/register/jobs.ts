import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { expect } from 'vitest'

/** A load by a program that verifies its models itself (adapters.mjs). */
export interface Job {
  how: string
  model: string
  /** Another model, which the program tries to load in its place. */
  other?: string
  /** Options of the adapter. */
  options?: Record<string, unknown>
}

export interface Outcome {
  loaded?: string
  refused?: string
  by?: string
  verdicts: [by: string, decision: string, bytes: number][]
}

export interface Done {
  outcomes: Outcome[]
  /** What the process wrote to standard error during the load. */
  stderr: string
}

interface Program {
  child: ChildProcess
  stderr: string
}

/** One process for each environment, which does all jobs, because importing the runtimes takes longest. */
export class Programs {
  readonly #running = new Map<string, Program>()

  /** Has a process do all jobs in turn. */
  async run(jobs: Job[], env: Record<string, string>, node: string[]): Promise<Done> {
    const key = JSON.stringify([env, node])
    const program = this.#running.get(key) ?? started(env, node)
    this.#running.set(key, program)
    const { child } = program
    const listening = new AbortController()
    const { signal } = listening
    child.send(jobs)
    try {
      const exit = once(child, 'exit', { signal }).then(() => undefined)
      const answer = await Promise.race([once(child, 'message', { signal }), exit])
      if (!answer) throw new Error(`The program has ended. ${program.stderr}`)
      return answer[0] as Done
    } finally {
      listening.abort()
    }
  }

  /** Expects every process to end on its own, with nothing but the program's own output on standard error. */
  async end(): Promise<void> {
    const running = [...this.#running.values()]
    const exits = running.map(({ child }) => once(child, 'close'))
    // The child must disconnect; otherwise, Node.js emits no "close".
    for (const { child } of running) child.send('end')
    expect(await Promise.all(exits)).toEqual(running.map(() => [0, null]))
    expect(running.map(({ stderr }) => stderr).join('')).toBe('')
  }
}

function started(env: Record<string, string>, node: string[]): Program {
  const inherited = { ...process.env }
  delete inherited['NODE_OPTIONS']
  const child = fork(join(import.meta.dirname, 'adapters.mjs'), {
    cwd: join(import.meta.dirname, '..'),
    execArgv: node,
    env: { ...inherited, ...env },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  const program = { child, stderr: '' }
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (program.stderr += text))
  return program
}
