import { ModelSealError } from '../errors.ts'

/** @throws {@link ModelSealError} `ABORTED` */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortedError(signal)
}

export function abortedError(signal?: AbortSignal): ModelSealError {
  return new ModelSealError('ABORTED', 'The operation was aborted by its caller.', { cause: signal?.reason })
}
