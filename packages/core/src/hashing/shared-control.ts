const ABORT_FLAG = 0
const BYTES_DONE = 1
const STARTED = 2
const WORDS = 3

/** How a running job reports progress and learns that it must stop. */
export interface HashControl {
  aborted(): boolean
  advance(bytes: number): void
}

/** Memory that the calling thread and the workers of one operation share. */
export function newSharedControl(): SharedArrayBuffer {
  return new SharedArrayBuffer(WORDS * BigInt64Array.BYTES_PER_ELEMENT)
}

/** The workers' side: checks the abort flag and counts bytes. */
export function sharedControl(memory: SharedArrayBuffer): HashControl {
  const words = new BigInt64Array(memory)
  return {
    aborted: () => Atomics.load(words, ABORT_FLAG) !== 0n,
    advance: (bytes) => void Atomics.add(words, BYTES_DONE, BigInt(bytes)),
  }
}

/** Tells every worker of the operation to stop at its next chunk. */
export function abortShared(memory: SharedArrayBuffer): void {
  Atomics.store(new BigInt64Array(memory), ABORT_FLAG, 1n)
}

/** Records that a worker has begun to hash. */
export function tellStarted(memory: SharedArrayBuffer): void {
  Atomics.store(new BigInt64Array(memory), STARTED, 1n)
}

/** Whether any worker has begun to hash. */
export function hasStarted(memory: SharedArrayBuffer): boolean {
  return Atomics.load(new BigInt64Array(memory), STARTED) !== 0n
}

/** Bytes that all workers of the operation have hashed so far. */
export function bytesDone(memory: SharedArrayBuffer): number {
  return Number(Atomics.load(new BigInt64Array(memory), BYTES_DONE))
}

/** What can claim a batch. */
export const Claimant = { Nobody: 0, Pool: 1, Reserve: 2, CallingThread: 3 } as const
export type Claimant = (typeof Claimant)[keyof typeof Claimant]

/** Memory through which exactly one of several threads claims a batch. */
export function newClaim(): SharedArrayBuffer {
  return new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)
}

/** Returns true for the first caller only. */
export function claim(memory: SharedArrayBuffer, by: Claimant): boolean {
  return Atomics.compareExchange(new Int32Array(memory), 0, Claimant.Nobody, by) === Claimant.Nobody
}

export function claimedBy(memory: SharedArrayBuffer): number {
  return Atomics.load(new Int32Array(memory), 0)
}
