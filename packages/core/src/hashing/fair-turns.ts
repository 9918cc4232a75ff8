import { setImmediate } from '../real-time.ts'

/** Who waits for the calling thread, by operation, in the order of their turns. */
const waiting = new Map<object, (() => void)[]>()

/**
 * Leaves the calling thread to others. In each turn of the event loop one of all operations that hash on the calling thread
 * goes on, each in its turn: the loop is kept no longer however many there are, and none gets more for having more
 * files, or for having come later.
 *
 * @param operation by its control, or whatever else is the operation's alone
 */
export function fairTurn(operation: object): Promise<void> {
  return new Promise((go) => {
    const own = waiting.get(operation)
    if (own) {
      own.push(go)
      return
    }
    waiting.set(operation, [go])
    if (waiting.size === 1) setImmediate(letOneGo)
  })
}

function letOneGo(): void {
  for (const [operation, own] of waiting) {
    const go = own.shift()
    waiting.delete(operation)
    if (own.length > 0) waiting.set(operation, own)
    if (waiting.size > 0) setImmediate(letOneGo)
    go?.()
    return
  }
}
