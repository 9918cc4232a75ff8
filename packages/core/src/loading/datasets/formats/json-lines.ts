import { messageOf } from '../../../any-realm.ts'
import { shown } from '../../../errors.ts'
import { Turns } from '../../../source/turns.ts'
import { malformed } from './reader-package.ts'

const LINE_FEED = 0x0a
const FORMAT = 'JSON lines'
const UTF8 = new TextDecoder('utf-8', { fatal: true })

/**
 * Parses one value a line. Lines with nothing but white space are skipped.
 *
 * @param maxBytes of a line
 * @throws {@link ModelSealError} `DATASET_MALFORMED` with the line
 */
export async function* jsonLines(
  name: string,
  pieces: AsyncIterable<Uint8Array>,
  maxBytes: number,
): AsyncGenerator<unknown, void> {
  const turns = new Turns()
  let number = 0
  for await (const line of linesOf(name, pieces, maxBytes)) {
    number++
    if (turns.isDue) await turns.next()
    const json = decoded(name, line, number)
    if (json.trim() !== '') yield parsed(name, json, number)
  }
}

/** Splits bytes into lines, the last of which need not end in a line break. */
async function* linesOf(name: string, pieces: AsyncIterable<Uint8Array>, maxBytes: number): AsyncGenerator<Uint8Array> {
  let begun: Uint8Array[] = []
  let length = 0
  let count = 0
  const grow = (part: Uint8Array) => {
    length += part.length
    if (length > maxBytes)
      throw malformed(name, FORMAT, {
        line: count + 1,
        expected: `lines of at most ${maxBytes} bytes`,
        found: `${length} bytes or more`,
        hint: 'Use the option "maxRecordBytes" if the file has such lines.',
      })
    begun.push(part)
  }
  const end = () => {
    const line = begun.length === 1 ? (begun[0] as Uint8Array) : Buffer.concat(begun)
    begun = []
    length = 0
    count++
    return line
  }
  for await (const piece of pieces) {
    let start = 0
    for (let at = piece.indexOf(LINE_FEED); at >= 0; at = piece.indexOf(LINE_FEED, start)) {
      grow(piece.subarray(start, at))
      yield end()
      start = at + 1
    }
    if (start < piece.length) grow(piece.subarray(start))
  }
  yield end()
}

function decoded(name: string, line: Uint8Array, number: number): string {
  try {
    return UTF8.decode(line)
  } catch (cause) {
    throw malformed(name, FORMAT, { line: number, expected: 'UTF-8', found: 'other bytes', cause })
  }
}

function parsed(name: string, json: string, number: number): unknown {
  try {
    return JSON.parse(json)
  } catch (cause) {
    throw malformed(name, FORMAT, { line: number, expected: 'one JSON value', found: shown(messageOf(cause)), cause })
  }
}
