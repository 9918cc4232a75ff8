import { SeveralDigests } from '../../hashing/arriving/piece-hasher.ts'
import type { Landing } from '../../source/answers/pieces.ts'
import type { BodyBuffer } from '../../source/body-buffer.ts'
import type { SourceBody } from '../../source/model-source.ts'
import type { PartialFile } from '../../source/private/partial-file.ts'
import type { ArrivalDigests } from './arrival-digests.ts'
import { PieceLine } from './piece-line.ts'

/** A file as it arrives. */
interface Arrival {
  /** What is here already. It is hashed like the rest. */
  readonly begun: Pick<PartialFile, 'earlierBytes'> | undefined
  readonly chunks: SourceBody['chunks']
  /** Where the source's reader copies them to, or that it lends them, so that they need not be copied once more. */
  readonly landing: Landing
  /** In bytes; only a hint. */
  readonly announced: number | undefined
  /** @throws {@link ModelSealError} if the file is too long */
  readonly arrived: (chunk: Uint8Array) => void
}

/** Where a file is written while it is hashed. */
interface Writer {
  /** Stores a piece, which does not change until that is done. Undefined if the file is only hashed. */
  readonly write: ((piece: Uint8Array) => Promise<void>) | undefined
}

/** Where the bytes of a file go: into memory, which is then hashed, or elsewhere. */
export type Sink = Pick<BodyBuffer, 'add'> | Writer

export const NOWHERE: Writer = { write: undefined }

/**
 * Passes a file to the sink, and hashes it.
 *
 * @returns the digests that are wanted
 * @throws {@link ModelSealError} `WORKER_FAILED`, and what the source and the sink throw. Nothing uses the sink after that
 */
export function hashedArrival(arrival: Arrival, digests: ArrivalDigests, sink: Sink): Promise<string[][]> {
  return 'write' in sink ? written(arrival, digests, sink) : collected(arrival, digests, sink)
}

async function collected(
  { chunks, arrived }: Arrival,
  { wanted }: ArrivalDigests,
  buffer: Pick<BodyBuffer, 'add'>,
): Promise<string[][]> {
  const hashing = new SeveralDigests(wanted)
  for await (const chunk of chunks) {
    arrived(chunk)
    for (const own of buffer.add(chunk)) hashing.update(own)
  }
  return hashing.digests()
}

async function written(
  { begun, chunks, arrived, announced, landing }: Arrival,
  digests: ArrivalDigests,
  writer: Writer,
): Promise<string[][]> {
  const line = new PieceLine(digests.hasher(announced), announced)
  const write = writer.write?.bind(writer)
  try {
    for await (const chunk of begun?.earlierBytes() ?? []) {
      arrived(chunk)
      await line.add(chunk, undefined)
    }
    landing.room = () => line.room()
    for await (const chunk of chunks) {
      arrived(chunk)
      if (landing.isLent) await line.lend(chunk, write, (use) => void (landing.use = use))
      else await line.add(chunk, write)
    }
    return await line.end()
  } finally {
    await line.settle()
  }
}
