import { isUint8Array, reasonOf } from '../../any-realm.ts'
import { ModelSealError } from '../../errors.ts'
import type { SourceBody } from '../model-source.ts'
import { ownPartsOf, type OwnPart } from './part-memory.ts'
import { iteratorOf, leave, nextOf, sourceFailed, unshared } from './source-answers.ts'
import type { Watch } from './watch.ts'

/** How much is copied and hashed before the clock is checked again. */
const SLICE_BYTES = 256 * 1024
/** Maximum number of consecutive empty pieces. Some streams end each part with one. */
const MAX_EMPTY_PIECES = 1_000

const TYPED_ARRAY = Object.getPrototypeOf(Uint8Array.prototype) as object
const bufferOf = getterOf('buffer') as (view: Uint8Array) => ArrayBufferLike
const byteOffsetOf = getterOf('byteOffset') as (view: Uint8Array) => number
const byteLengthOf = getterOf('byteLength') as (view: Uint8Array) => number

const UNUSED = Promise.resolve()

/** Where the next copy of a piece goes. */
export class Landing {
  /**
   * Set by the receiver of a file before it requests pieces.
   *
   * @returns memory of at least one byte, which only the receiver uses
   */
  room: (() => Uint8Array) | undefined = undefined
  /** True for a piece in memory that only the core has: it is not a copy in that room, and does not change while it is in use. */
  isLent = false
  /** Set by the receiver of such a piece if it needs it longer than until the next one. Never fails. */
  use: Promise<unknown> = UNUSED
}

/** What is lent at a time. */
const LENT_BYTES = 1024 * 1024

/**
 * Copies the pieces of a file, because a source could change its own memory while the core hashes it. What is in memory that the
 * source has never had is lent instead.
 *
 * @param landing if given, each copy is valid only until the next one: large files would otherwise leave hundreds of megabytes
 * to the garbage collector
 * @throws {@link ModelSealError} `SOURCE_FAILED`, and what the source throws
 */
export async function* pieces(
  what: string,
  chunks: SourceBody['chunks'],
  { watch, landing }: { watch: Watch; landing: Landing | undefined },
): AsyncGenerator<Uint8Array> {
  const own = landing && attempted(what, watch, () => ownPartsOf(chunks))
  if (own) yield* lentPieces(what, own, { watch, landing })
  else yield* copiedPieces(what, chunks, { watch, landing })
}

async function* lentPieces(
  what: string,
  parts: AsyncGenerator<OwnPart>,
  { watch, landing }: { watch: Watch; landing: Landing },
): AsyncGenerator<Uint8Array> {
  landing.isLent = true
  try {
    for (;;) {
      const { done, value: part } = await nextOf(parts, watch)
      if (done) return
      watch.alive()
      yield* lentPart(part, landing, watch)
    }
  } catch (error) {
    throw typed(what, watch, error)
  } finally {
    leave(parts)
  }
}

async function* lentPart({ bytes, free }: OwnPart, landing: Landing, watch: Watch): AsyncGenerator<Uint8Array> {
  const uses: Promise<unknown>[] = []
  try {
    for (let start = 0; start < bytes.length; start += LENT_BYTES) {
      landing.use = UNUSED
      try {
        yield bytes.subarray(start, start + LENT_BYTES)
      } finally {
        uses.push(landing.use)
      }
      await watch.turn()
    }
  } finally {
    void Promise.all(uses).then(free)
  }
}

async function* copiedPieces(
  what: string,
  chunks: SourceBody['chunks'],
  { watch, landing }: { watch: Watch; landing: Landing | undefined },
): AsyncGenerator<Uint8Array> {
  let memory: Buffer | undefined
  const copyOf = (rest: Uint8Array): Uint8Array => {
    if (!landing) return Buffer.from(rest.subarray(0, SLICE_BYTES))
    const room = landing.room?.() ?? (memory ??= Buffer.allocUnsafeSlow(SLICE_BYTES))
    const slice = rest.subarray(0, Math.min(room.length, SLICE_BYTES))
    room.set(slice)
    return room.subarray(0, slice.length)
  }
  const iterator = attempted(what, watch, () => iteratorOf(chunks))
  let empty = 0
  try {
    for (;;) {
      const result = await nextOf(iterator, watch)
      if (result.done) return
      const piece = memoryOf(what, result.value)
      if (piece.length > 0) {
        empty = 0
        watch.alive()
      } else if (++empty > MAX_EMPTY_PIECES) throw sourceFailed(what, 'its pieces are empty')
      for (let rest = piece; rest.length > 0;) {
        const copy = copyOf(rest)
        yield copy
        rest = rest.subarray(copy.length)
        await watch.turn()
      }
      if (piece.length === 0) await watch.turn()
    }
  } catch (error) {
    throw typed(what, watch, error)
  } finally {
    leave(iterator)
  }
}

/** Pieces from one of the core's own sources. Nothing else writes to them, so they are not copied. */
export async function* ownPieces(what: string, chunks: SourceBody['chunks']): AsyncGenerator<Uint8Array> {
  for await (const piece of chunks) yield memoryOf(what, piece)
}

/**
 * Reads the memory of a piece from its internal slots, because its properties and class could be forged.
 *
 * @throws {@link ModelSealError} `SOURCE_FAILED` if it is not a `Uint8Array` of any realm
 */
function memoryOf(what: string, piece: unknown): Uint8Array {
  if (!isUint8Array(piece)) throw sourceFailed(what, 'its content is not a sequence of bytes')
  return new Uint8Array(bufferOf(piece), byteOffsetOf(piece), byteLengthOf(piece))
}

/** @returns a copy if it is a `Uint8Array` */
export function copyOfPiece(piece: unknown): unknown {
  return isUint8Array(piece) ? new Uint8Array(memoryOf('file', piece)) : piece
}

function getterOf(name: 'buffer' | 'byteOffset' | 'byteLength'): unknown {
  const descriptor = Object.getOwnPropertyDescriptor(TYPED_ARRAY, name) as { get: () => unknown }
  return Function.prototype.call.bind(descriptor.get)
}

function attempted<T>(what: string, watch: Watch, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw typed(what, watch, error)
  }
}

function typed(what: string, watch: Watch, error: unknown): unknown {
  if (error instanceof ModelSealError || watch.signal.aborted) return unshared(error)
  return sourceFailed(what, reasonOf(error), error)
}
