import { ModelSealError } from '../errors.ts'
import { turnOfLoop } from '../real-time.ts'

/** @throws {@link ModelSealError} `ABORTED` */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortedError(signal)
}

/**
 * Yields to the event loop for one turn.
 *
 * @throws {@link ModelSealError} `ABORTED`
 */
export async function nextTurn(signal: AbortSignal | undefined): Promise<void> {
  await turnOfLoop()
  throwIfAborted(signal)
}

export function abortedError(signal?: AbortSignal): ModelSealError {
  return new ModelSealError('ABORTED', 'The operation was aborted by its caller.', { cause: signal?.reason })
}
