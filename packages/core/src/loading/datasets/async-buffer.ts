import { invalidArgument } from '../../kinds.ts'
import type { Ranges } from './ranges.ts'

/** A file whose ranges are verified as they are read: the interface by which hyparquet reads files. */
export interface AsyncBuffer {
  /** Size of the file. */
  readonly byteLength: number
  /**
   * @param start first byte; a negative number counts from the end
   * @param end first byte after the range. Default: the end of the file
   * @returns a copy that belongs to the caller
   */
  slice(start: number, end?: number): Promise<ArrayBuffer>
}

/** @param check throws if nothing may be handed out any more */
export async function asyncBuffer(name: string, ranges: Ranges, check: () => void): Promise<AsyncBuffer> {
  const byteLength = await ranges.size(name)
  check()
  return Object.freeze({
    byteLength,
    async slice(start: number, end?: number): Promise<ArrayBuffer> {
      check()
      const from = offset(start, byteLength, 'start')
      const to = Math.max(offset(end ?? byteLength, byteLength, 'end'), from)
      const bytes = await ranges.read(name, from, to)
      check()
      return bytes
    },
  })
}

/** As `ArrayBuffer.prototype.slice()` reads it. */
function offset(given: number, size: number, argument: string): number {
  if (!Number.isSafeInteger(given)) throw invalidArgument(argument, 'an integer (bytes)', given)
  return given < 0 ? Math.max(size + given, 0) : Math.min(given, size)
}
