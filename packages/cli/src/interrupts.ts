/** Aborts the running command when the user or the system ends it. */
interface Interrupts {
  signal: AbortSignal
  /** 128 plus the number of the signal that arrived; undefined before. */
  readonly exitCode: number | undefined
  stopListening(): void
}

const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const

/**
 * The first signal aborts the command; the second one ends the process at once. Neither is handled while the thread waits
 * for a file system that does not respond.
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
