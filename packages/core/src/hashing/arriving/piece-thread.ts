import { MessageChannel, type MessagePort } from 'node:worker_threads'
import type { TaskThreads } from '../threads/own-threads.ts'
import type { PieceAnswer, PieceMessage } from './hash-pieces.ts'

/** Is told what the thread does with a file. */
export interface PieceListener {
  answered(answer: PieceAnswer): void
  /** The thread hashes no more. */
  lost(cause: unknown): void
}

/** A thread that hashes the pieces of all files that arrive at the same time. It has a task as long as there are any. */
export class PieceThread {
  readonly #threads: TaskThreads
  readonly #listeners = new Map<number, PieceListener>()
  #port: MessagePort | undefined
  #last = 0

  constructor(threads: TaskThreads) {
    this.#threads = threads
  }

  /** @returns the number of the file */
  begin(listener: PieceListener): number {
    const file = ++this.#last
    this.#listeners.set(file, listener)
    this.#port ??= this.#start()
    return file
  }

  send(message: PieceMessage): void {
    this.#port?.postMessage(message)
  }

  end(file: number): void {
    if (!this.#listeners.delete(file)) return
    this.send({ file, end: true })
    if (this.#listeners.size > 0) return
    this.#port?.close()
    this.#port = undefined
  }

  #start(): MessagePort {
    const { port1: own, port2: port } = new MessageChannel()
    own.on('message', (answer: PieceAnswer) => this.#listeners.get(answer.file)?.answered(answer))
    const over = (cause: unknown) => {
      if (this.#port !== own) return
      this.#port = undefined
      own.close()
      const listeners = [...this.#listeners.values()]
      this.#listeners.clear()
      for (const listener of listeners) listener.lost(cause)
    }
    this.#threads.run('hashPieces', { port }, [port]).then(() => over(new Error('The thread ended its task.')), over)
    return own
  }
}
