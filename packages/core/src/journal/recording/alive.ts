import { clearInterval, setInterval } from '../../real-time.ts'
import type { JournalWriter } from '../writing/writer.ts'

/** How often a process shows that it has not been killed, in milliseconds. */
const INTERVAL = 60_000

let timer: ReturnType<typeof setInterval> | undefined

/** Records every minute, in the journals of models that are in use, that this process still runs. */
export function showAlive(inUse: () => Iterable<JournalWriter>): void {
  stopShowing()
  timer = setInterval(() => {
    for (const writer of inUse()) show(writer)
  }, INTERVAL)
  timer.unref()
}

export function stopShowing(): void {
  clearInterval(timer)
}

function show(writer: JournalWriter): void {
  // Whatever waits shows it later.
  if (writer.isBehind) return
  writer.add({
    make: () => [{ type: 'alive', time: new Date().toISOString() }],
    isSynced: false,
    isRequired: false,
    ended: () => {},
    at: {},
  })
}
