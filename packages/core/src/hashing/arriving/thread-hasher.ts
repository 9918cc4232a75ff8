import { ModelSealError } from '../../errors.ts'
import { isNoThreads, warnOnce } from '../threads/without-threads.ts'
import { workerFailed } from '../threads/worker-failed.ts'
import type { PieceAnswer } from './hash-pieces.ts'
import { CallingThreadHasher, type PieceHasher, type WantedDigests } from './piece-hasher.ts'
import type { PieceListener, PieceThread } from './piece-thread.ts'

interface Waiting {
  readonly piece: Uint8Array
  readonly settle: PromiseWithResolvers<true>
}

/**
 * Hashes on a thread, so that the calling thread only receives. If no thread can be started, none has begun a file, and the
 * calling thread hashes it.
 */
export class ThreadHasher implements PieceHasher, PieceListener {
  readonly #wanted: readonly WantedDigests[]
  readonly #thread: PieceThread
  readonly #file: number
  /** Pieces that were not answered, in order. */
  #waiting: Waiting[] = []
  #ended: PromiseWithResolvers<string[][]> | undefined
  #here: CallingThreadHasher | undefined
  #failure: ModelSealError | undefined

  constructor(thread: PieceThread, wanted: readonly WantedDigests[]) {
    this.#wanted = wanted
    this.#thread = thread
    this.#file = thread.begin(this)
    thread.send({ file: this.#file, begin: wanted })
  }

  memory(bytes: number): Uint8Array {
    return new Uint8Array(new SharedArrayBuffer(bytes))
  }

  async hash(piece: Uint8Array): Promise<void> {
    if (this.#failure) throw this.#failure
    if (this.#here) return this.#here.hash(piece)
    const settle = Promise.withResolvers<true>()
    this.#waiting.push({ piece, settle })
    this.#thread.send({ file: this.#file, piece })
    await settle.promise
  }

  async digests(): Promise<string[][]> {
    if (this.#failure) throw this.#failure
    if (this.#here) return this.#here.digests()
    this.#ended = Promise.withResolvers()
    this.#thread.send({ file: this.#file, end: true })
    return this.#ended.promise
  }

  end(): void {
    this.#thread.end(this.#file)
  }

  answered(answer: PieceAnswer): void {
    if ('error' in answer) this.#fail(ModelSealError.revive(answer.error))
    else if ('hashed' in answer) this.#waiting.shift()?.settle.resolve(true)
    else if (answer.digests.length === this.#wanted.length && this.#waiting.length === 0)
      this.#ended?.resolve(answer.digests)
    else this.#fail(workerFailed(new Error('The thread answered with the wrong number of digests.')))
  }

  lost(cause: unknown): void {
    if (!isNoThreads(cause)) {
      this.#fail(workerFailed(cause))
      return
    }
    warnOnce(cause.warning)
    const here = new CallingThreadHasher(this.#wanted)
    this.#here = here
    for (const { piece, settle } of this.#waiting.splice(0))
      here.hash(piece).then(() => settle.resolve(true), settle.reject)
    const ended = this.#ended
    if (ended) here.digests().then(ended.resolve, ended.reject)
  }

  #fail(failure: ModelSealError): void {
    this.#failure ??= failure
    for (const { settle } of this.#waiting.splice(0)) settle.reject(failure)
    this.#ended?.reject(failure)
  }
}
