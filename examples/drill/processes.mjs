// The processes that the drill starts. None of them outlives it.
import { spawn } from 'node:child_process'
import { once } from 'node:events'

/** What is kept of the output of a process, in characters. */
const KEPT = 4000

const running = new Set()

/** Must be called before anything is started. */
export function endAllOnExit() {
  process.once('exit', () => running.forEach((child) => child.kill('SIGKILL')))
}

/**
 * Starts a program with Node.js.
 *
 * @param more variables of its environment. Variables of modelseal and of Node.js are not inherited
 */
export function start(args, more = {}) {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(MODELSEAL|NODE)_/.test(name))
  const env = { ...Object.fromEntries(inherited), ...more }
  const child = spawn(process.execPath, args, { cwd: import.meta.dirname, env, stdio: ['ignore', 'pipe', 'pipe'] })
  running.add(child)
  child.output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text) => (child.output = (child.output + text).slice(-KEPT)))
  child.ended = once(child, 'close').finally(() => running.delete(child))
  return child
}

/** @throws Error if it fails */
export async function run(args) {
  const child = start(args)
  const [status] = await child.ended
  if (status !== 0) throw new Error(`"${args.slice(1).join(' ')}" failed: ${child.output}`)
}
