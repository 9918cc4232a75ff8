/** Tells the running command that the user or the system wants it to end. */
export interface Interrupts {
  signal: AbortSignal
  /** 128 and the number of the signal that came; undefined while none has. */
  readonly exitCode: number | undefined
  stopListening(): void
}

const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const

/**
 * The first signal aborts the command; the second one ends the process at once. Neither is heard while
 * the thread waits for a file system that does not answer.
 */
export function listenForInterrupts(): Interrupts {
  const controller = new AbortController()
  let exitCode: number | undefined
  const listeners = Object.entries(EXIT_CODES).map(([name, code]) => {
    const listener = () => {
      exitCode ??= code
      stopListening()
      controller.abort()
    }
    process.once(name, listener)
    return { name, listener }
  })
  const stopListening = () => {
    for (const { name, listener } of listeners) process.removeListener(name, listener)
  }
  return {
    signal: controller.signal,
    get exitCode() {
      return exitCode
    },
    stopListening,
  }
}
