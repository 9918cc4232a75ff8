import type { FileHandle } from 'node:fs/promises'
import { MAX_LINE } from '../../format/line.ts'

/** Bytes read at once. A line fits. */
const CHUNK = 1024 * 1024
/** Lines returned at once, which may be empty ones. */
const MOST_LINES = 16 * 1024
const LINE_FEED = 10

/** Some lines of a file, without their line feeds. They are valid until the next ones are read. */
interface Lines {
  lines: Buffer[]
  /** What follows the last line feed at the end of the file; or a line that is too long to be one. */
  rest: Buffer
}

/** Reads the lines between two positions of a file, in memory of constant size. It ends at a line that is too long. */
export async function* readLines(handle: FileHandle, from: number, to: number): AsyncGenerator<Lines> {
  // Most journals have many small segments.
  const chunk = Buffer.allocUnsafe(Math.min(CHUNK, Math.max(0, to - from)) + MAX_LINE)
  let [kept, at] = [0, from]
  while (at < to) {
    const { bytesRead } = await handle.read(chunk, kept, Math.min(CHUNK, to - at), at)
    // The file was cut meanwhile.
    if (bytesRead === 0) break
    at += bytesRead
    const bytes = chunk.subarray(0, kept + bytesRead)
    let { lines, end } = linesIn(bytes, 0)
    while (lines.length === MOST_LINES) {
      yield { lines, rest: bytes.subarray(end, end) }
      ;({ lines, end } = linesIn(bytes, end))
    }
    const rest = kept + bytesRead - end
    const isTooLong = rest > MAX_LINE
    yield { lines, rest: chunk.subarray(end, at < to && !isTooLong ? end : end + rest) }
    if (isTooLong) return
    chunk.copyWithin(0, end, end + rest)
    kept = rest
  }
}

function linesIn(bytes: Buffer, start: number): { lines: Buffer[]; end: number } {
  const lines: Buffer[] = []
  let end = start
  while (lines.length < MOST_LINES) {
    const feed = bytes.indexOf(LINE_FEED, end)
    if (feed < 0) break
    lines.push(bytes.subarray(end, feed))
    end = feed + 1
  }
  return { lines, end }
}
