import type { MessagePort } from 'node:worker_threads'
import { ModelSealError, type SerializedError } from '../../errors.ts'
import { ThreadFile, WriteError, type OpenFile } from '../../source/private/thread-file.ts'
import { SeveralDigests, type WantedDigests } from './piece-hasher.ts'

/** Tells the thread what to do with one file. Pieces are in shared memory, and come in order. */
export type PieceMessage = { readonly file: number } & (
  | { readonly begin: readonly WantedDigests[]; readonly into: OpenFile | undefined }
  | {
      readonly piece: Uint8Array
      /** Where to write it; undefined if it is only hashed. */
      readonly position: number | undefined
    }
  | { readonly end: true }
)

/** Answers a piece, the end of a file, or any message. A file that failed gets no other answer. */
export type PieceAnswer = { readonly file: number } & (
  | { readonly hashed: true; readonly isWritten: boolean }
  | { readonly digests: string[][] }
  | { readonly error: SerializedError }
  /** Code of the error. */
  | { readonly unwritten: string }
)

interface Arriving {
  readonly digests: SeveralDigests
  readonly into: ThreadFile | undefined
}

/** Task of a worker: hashes and writes the pieces of several files, until the port is closed. */
export function hashPieces({ port }: { port: MessagePort }): Promise<void> {
  const files = new Map<number, Arriving>()
  port.on('message', (message: PieceMessage) => {
    const { file } = message
    try {
      const answer = answerTo(message, files)
      if (answer) port.postMessage(answer)
    } catch (error) {
      // Nothing more is written, so that what is left has no gaps.
      forget(files, file)
      port.postMessage(failure(file, error))
    }
  })
  return new Promise((resolve) => {
    port.on('close', () => {
      for (const file of files.keys()) forget(files, file)
      resolve()
    })
  })
}

function answerTo(message: PieceMessage, files: Map<number, Arriving>): PieceAnswer | undefined {
  const { file } = message
  if ('begin' in message) {
    const { begin, into } = message
    files.set(file, { digests: new SeveralDigests(begin), into: into && ThreadFile.open(into) })
    return undefined
  }
  const arriving = files.get(file)
  if (!arriving) return undefined
  const { digests, into } = arriving
  if ('piece' in message) {
    const { piece, position } = message
    digests.update(piece)
    if (position !== undefined) into?.write(piece, position)
    return { file, hashed: true, isWritten: into !== undefined }
  }
  files.delete(file)
  into?.close()
  return { file, digests: digests.digests() }
}

function failure(file: number, error: unknown): PieceAnswer {
  if (error instanceof WriteError) return { file, unwritten: error.code }
  if (error instanceof ModelSealError) return { file, error: error.toJSON() }
  throw error
}

function forget(files: Map<number, Arriving>, file: number): void {
  const arriving = files.get(file)
  files.delete(file)
  try {
    arriving?.into?.close()
  } catch {
    // Another failure was reported, or nobody waits for the file.
  }
}
