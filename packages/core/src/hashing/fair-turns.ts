import { turnOfLoop } from '../real-time.ts'

/** Callbacks that wait for the calling thread, by operation, in the order of their turns. */
const waiting = new Map<object, (() => void)[]>()

/**
 * Yields the calling thread. Operations that hash on it take turns, one in each turn of the event loop. So the loop is
 * not blocked for longer if there are many, and an operation gains nothing from having more files or from starting later.
 *
 * @param operation identifies the operation: its control, or any other object that only this operation has
 */
export function fairTurn(operation: object): Promise<void> {
  return new Promise((resume) => {
    const own = waiting.get(operation)
    if (own) {
      own.push(resume)
      return
    }
    waiting.set(operation, [resume])
    if (waiting.size === 1) void turnOfLoop().then(resumeNext)
  })
}

function resumeNext(): void {
  for (const [operation, own] of waiting) {
    const resume = own.shift()
    waiting.delete(operation)
    if (own.length > 0) waiting.set(operation, own)
    if (waiting.size > 0) void turnOfLoop().then(resumeNext)
    resume?.()
    return
  }
}
