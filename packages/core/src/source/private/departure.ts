import { readFileSync, renameSync, rmSync } from 'node:fs'
import { constants } from 'node:os'
import { procFile } from '../proc-file.ts'

/**
 * Signals that end a process without an `exit` event. SIGUSR1 is not among them, because it starts the debugger of Node.js, and neither
 * are those of a crash.
 */
const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR2', 'SIGALRM', 'SIGXCPU'] as const
/** Node.js itself catches these, to restore the terminal before they end the process. */
const CAUGHT_BY_NODE: readonly string[] = ['SIGTERM', 'SIGINT']

const remaining = new Set<string>()
const works = new Set<() => void>()
/** Those of the signals that are listened for. */
let listened: readonly NodeJS.Signals[] = []

/** Makes sure that a directory is removed when the process exits, or is ended by a signal. */
export function removeWithProcess(directory: string): void {
  listenIfNeeded()
  remaining.add(directory)
}

/** Runs something that takes no turns, and does not throw, when the process exits, or is ended by a signal. In a thread, only when it exits. */
export function beforeDeparture(work: () => void): void {
  listenIfNeeded()
  works.add(work)
}

/** Undoes {@link removeWithProcess}. */
export function keepBeyondProcess(directory: string): void {
  if (remaining.delete(directory) && isIdle()) stopListening()
}

/** Marks the listeners of every copy of this module, such as those of the ESM and the CommonJS build. */
const OURS = Symbol.for('modelseal.departure')

type Listener = ((signal: NodeJS.Signals) => void) & { [OURS]?: true }

/**
 * If ours is the only listener, the signal must end the process as it would have without a listener. Otherwise the program
 * decides, and must not notice ours: some programs count the listeners to find out whether anyone else handles a
 * signal. So ours is called first, and is removed while the others are called.
 */
const onSignal: Listener = (signal) => {
  process.off(signal, onSignal)
  const others = process.listeners(signal).filter((listener) => !(listener as Listener)[OURS])
  if (others.length === countedExits()) {
    leave()
    if (process.listenerCount(signal) === 0) process.kill(process.pid, signal)
  } else process.nextTick(comeFirst, signal)
}
onSignal[OURS] = true

/** A listener for one call that is called before ours is removed by then, as if only ours were listening. So ours comes first. */
function onNewListener(name: string | symbol, listener: Listener): void {
  const signal = listened.find((signal) => signal === name)
  if (signal && !listener[OURS]) process.nextTick(comeFirst, signal)
}

function comeFirst(signal: NodeJS.Signals): void {
  if (isIdle()) return
  process.off(signal, onSignal)
  process.prependListener(signal, onSignal)
}

function isIdle(): boolean {
  return remaining.size === 0 && works.size === 0
}

function listenIfNeeded(): void {
  if (isIdle()) listen()
}

function listen(): void {
  process.on('exit', leave)
  // In process 1 of a container, Linux ignores signals without a listener, and one would change that.
  if (process.pid === 1) return
  const elsewhere = handledNatively()
  listened = SIGNALS.filter((signal) => !elsewhere.includes(signal))
  for (const signal of listened) process.prependListener(signal, onSignal)
  process.on('newListener', onNewListener)
}

/**
 * Signals that native code ignores or handles, as profilers do. They do not end the process, and such handlers are no listeners, so ours
 * would take itself for the only one. Known on Linux alone.
 */
function handledNatively(): readonly NodeJS.Signals[] {
  let status: string
  try {
    status = readFileSync(procFile('self/status'), 'utf8')
  } catch {
    return []
  }
  const masks = [...status.matchAll(/^Sig(?:Ign|Cgt):\s*([0-9a-f]+)$/gm)].map(([, mask]) => BigInt(`0x${mask}`))
  const isHandled = (signal: NodeJS.Signals) =>
    masks.some((mask) => (mask >> BigInt(constants.signals[signal] - 1)) & 1n) && process.listenerCount(signal) === 0
  return SIGNALS.filter((signal) => !CAUGHT_BY_NODE.includes(signal) && isHandled(signal))
}

function stopListening(): void {
  process.off('exit', leave)
  process.off('newListener', onNewListener)
  for (const signal of listened) process.off(signal, onSignal)
}

/**
 * The number of listeners for a signal that belong to the package `signal-exit`, which many command line tools use. If there are
 * no others, they end the process without an `exit` event.
 */
function countedExits(): number {
  const { __signal_exit_emitter__: old } = process as { __signal_exit_emitter__?: Emitter }
  const { [EMITTER]: recent } = globalThis as { [EMITTER]?: Emitter }
  return [old, recent].reduce((sum, emitter) => sum + (Number(emitter?.count) || 0), 0)
}

interface Emitter {
  count?: unknown
}

const EMITTER = Symbol.for('signal-exit emitter')

function leave(): void {
  for (const work of works) work()
  removeRemaining()
}

function removeRemaining(): void {
  for (const directory of remaining) {
    try {
      rmSync(setAside(directory), { recursive: true, force: true, maxRetries: 2 })
    } catch {
      // The process is ending; nobody is left to tell.
    }
  }
  remaining.clear()
}

/** Renamed first, so that no thread adds another file meanwhile. The new name may already be taken. */
function setAside(directory: string): string {
  const aside = `${directory}-`
  try {
    renameSync(directory, aside)
    return aside
  } catch {
    return directory
  }
}
