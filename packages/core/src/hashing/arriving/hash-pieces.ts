import type { MessagePort } from 'node:worker_threads'
import { ModelSealError, type SerializedError } from '../../errors.ts'
import { SeveralDigests, type WantedDigests } from './piece-hasher.ts'

/** Tells the thread what to do with one file. Pieces are in shared memory, and come in order. */
export type PieceMessage = { readonly file: number } & (
  { readonly begin: readonly WantedDigests[] } | { readonly piece: Uint8Array } | { readonly end: true }
)

/** Answers a piece, the end of a file, or any message. A file that failed gets no other answer. */
export type PieceAnswer = { readonly file: number } & (
  { readonly hashed: true } | { readonly digests: string[][] } | { readonly error: SerializedError }
)

/** Task of a worker: hashes the pieces of several files, until the port is closed. */
export function hashPieces({ port }: { port: MessagePort }): Promise<void> {
  const files = new Map<number, SeveralDigests>()
  port.on('message', (message: PieceMessage) => {
    try {
      const answer = answerTo(message, files)
      if (answer) port.postMessage(answer)
    } catch (error) {
      files.delete(message.file)
      if (!(error instanceof ModelSealError)) throw error
      const answer: PieceAnswer = { file: message.file, error: error.toJSON() }
      port.postMessage(answer)
    }
  })
  return new Promise((resolve) => port.on('close', resolve))
}

function answerTo(message: PieceMessage, files: Map<number, SeveralDigests>): PieceAnswer | undefined {
  const { file } = message
  if ('begin' in message) {
    files.set(file, new SeveralDigests(message.begin))
    return undefined
  }
  const digests = files.get(file)
  if (!digests) return undefined
  if ('piece' in message) {
    digests.update(message.piece)
    return { file, hashed: true }
  }
  files.delete(file)
  return { file, digests: digests.digests() }
}
