import { renameSync, rmSync } from 'node:fs'

/** Ended by these, a process gets no `exit` event. */
const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const

const remaining = new Set<string>()

/** Has a directory go with the process: when it exits, and when a signal ends it. */
export function removeWithProcess(directory: string): void {
  if (remaining.size === 0) listen()
  remaining.add(directory)
}

/** Takes {@link removeWithProcess} back. */
export function keepBeyondProcess(directory: string): void {
  if (remaining.delete(directory) && remaining.size === 0) stopListening()
}

/** Marks the listeners of every copy of this module, as those of the ESM and of the CommonJS build. */
const OURS = Symbol.for('modelseal.departure')

type Listener = ((signal: NodeJS.Signals) => void) & { [OURS]?: true }

/**
 * Listening is no reason to live on: where no listener but ours is there, the signal ends the process as it would have
 * without us. Otherwise the program decides, and must not notice us: some programs count the listeners to see
 * whether anybody else deals with a signal. So ours comes first, and is gone while the others are called.
 */
const onSignal: Listener = (signal) => {
  process.off(signal, onSignal)
  const others = process.listeners(signal).filter((listener) => !(listener as Listener)[OURS])
  if (others.length === countedExits()) {
    removeRemaining()
    if (process.listenerCount(signal) === 0) process.kill(process.pid, signal)
  } else process.nextTick(comeFirst, signal)
}
onSignal[OURS] = true

/** One that is called once and before us would be gone by then, as though nobody but us listened. */
function onNewListener(name: string | symbol, listener: Listener): void {
  const signal = SIGNALS.find((signal) => signal === name)
  if (signal && !listener[OURS]) process.nextTick(comeFirst, signal)
}

function comeFirst(signal: NodeJS.Signals): void {
  if (remaining.size === 0) return
  process.off(signal, onSignal)
  process.prependListener(signal, onSignal)
}

function listen(): void {
  process.on('exit', removeRemaining)
  // Linux spares the first process of a container what it does not handle; and threads get no signals.
  if (process.pid === 1) return
  for (const signal of SIGNALS) process.prependListener(signal, onSignal)
  process.on('newListener', onNewListener)
}

function stopListening(): void {
  process.off('exit', removeRemaining)
  process.off('newListener', onNewListener)
  for (const signal of SIGNALS) process.off(signal, onSignal)
}

/**
 * How many listeners for a signal are of the package `signal-exit`, on which many command line tools build: where there are
 * only these, they end the process without an `exit` event.
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

/** Renamed first, so that no thread puts another file into it meanwhile. Anybody may have taken the other name before. */
function setAside(directory: string): string {
  const aside = `${directory}-`
  try {
    renameSync(directory, aside)
    return aside
  } catch {
    return directory
  }
}
