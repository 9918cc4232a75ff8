import { ModelSealError } from '../../errors.ts'
import { systemError } from '../../source/file-errors.ts'
import { isNoThreads, warnOnce } from '../threads/without-threads.ts'
import { workerFailed } from '../threads/worker-failed.ts'
import type { PieceAnswer } from './hash-pieces.ts'
import { CallingThreadHasher, type PieceHasher, type PieceWriter, type WantedDigests } from './piece-hasher.ts'
import type { PieceListener, PieceThread } from './piece-thread.ts'

interface Waiting {
  readonly piece: Uint8Array
  readonly position: number | undefined
  readonly settle: PromiseWithResolvers<true>
}

/**
 * Hashes on a thread, which also writes each piece while it is in the cache of its processor, so that the calling thread only
 * receives. If no thread can be started, none has begun a file, and the calling thread does both.
 */
export class ThreadHasher implements PieceHasher, PieceListener {
  readonly #wanted: readonly WantedDigests[]
  readonly #writer: PieceWriter | undefined
  readonly #thread: PieceThread
  readonly #file: number
  /** Pieces that were not answered, in order. */
  #waiting: Waiting[] = []
  #ended: PromiseWithResolvers<string[][]> | undefined
  #here: CallingThreadHasher | undefined
  #failure: ModelSealError | undefined

  constructor(thread: PieceThread, wanted: readonly WantedDigests[], writer: PieceWriter | undefined) {
    this.#wanted = wanted
    this.#writer = writer
    this.#thread = thread
    this.#file = thread.begin(this)
    thread.send({ file: this.#file, begin: wanted, into: writer?.shared })
  }

  memory(bytes: number): Uint8Array {
    return new Uint8Array(new SharedArrayBuffer(bytes))
  }

  async hash(piece: Uint8Array, position: number | undefined): Promise<void> {
    if (this.#failure) throw this.#failure
    if (this.#here) return this.#here.hash(piece, position)
    const settle = Promise.withResolvers<true>()
    if (position !== undefined && this.#writer?.shared) this.#writer.passedOn(settle.promise)
    this.#waiting.push({ piece, position, settle })
    this.#thread.send({ file: this.#file, piece, position })
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
    else if ('unwritten' in answer) this.#fail(this.#refusal(systemError(answer.unwritten)))
    else if ('hashed' in answer) this.#hashed(answer.isWritten)
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
    const here = new CallingThreadHasher(this.#wanted, this.#writer)
    this.#here = here
    for (const { piece, position, settle } of this.#waiting.splice(0))
      here.hash(piece, position).then(() => settle.resolve(true), settle.reject)
    const ended = this.#ended
    if (ended) here.digests().then(ended.resolve, ended.reject)
  }

  #hashed(isWritten: boolean): void {
    const first = this.#waiting.shift()
    if (!first) return
    const { piece, position, settle } = first
    const rest = isWritten || position === undefined ? undefined : this.#writer?.write(piece, position)
    if (rest) rest.then(() => settle.resolve(true), settle.reject)
    else settle.resolve(true)
  }

  #refusal(cause: Error): ModelSealError {
    return this.#writer?.shared ? this.#writer.refusal(cause) : workerFailed(cause)
  }

  #fail(failure: ModelSealError): void {
    this.#failure ??= failure
    for (const { settle } of this.#waiting.splice(0)) settle.reject(failure)
    this.#ended?.reject(failure)
  }
}
