import { isUtf8 } from 'node:buffer'
import { isSyntaxError, isUint8Array, propertyOf } from '../any-realm.ts'
import { ModelSealError, shown } from '../errors.ts'
import { checkObject, invalidArgument } from '../kinds.ts'
import { standIn } from '../manifest/plain-content.ts'
import { withoutPrototype } from '../snapshot.ts'
import { atOnce, inTurns, type Steps } from '../source/turns.ts'
import { KeysOfLevels, tooComplex, type JsonBounds, type Keys } from './json-keys.ts'
import { JsonPieces } from './json-pieces.ts'

export type { JsonBounds }

const MAX_DEPTH = 32

/**
 * Parses JSON that an attacker may have written. Stricter than `JSON.parse`: requires valid UTF-8 without a byte order
 * mark, refuses repeated keys in an object, and limits depth and size. One pass over the text checks what `JSON.parse`
 * does not, and `JSON.parse` checks the syntax.
 *
 * @throws {@link ModelSealError} `JSON_NOT_UTF8`, `JSON_INVALID`, `JSON_DUPLICATE_KEY`, `JSON_TOO_COMPLEX`
 */
export function parseStrictJson(bytes: Uint8Array, bounds: JsonBounds): unknown {
  checkJson(bytes, bounds)
  return atOnce(strictJsonSteps(bytes, bounds))
}

/**
 * Like {@link parseStrictJson}, but yields to the event loop every few milliseconds.
 *
 * @param bytes must not change during the call
 * @throws {@link ModelSealError} as {@link parseStrictJson}, and `ABORTED`
 */
export async function parseJsonInTurns(bytes: Uint8Array, bounds: JsonBounds, signal?: AbortSignal): Promise<unknown> {
  checkJson(bytes, bounds)
  return inTurns(strictJsonSteps(bytes, bounds), signal)
}

function checkJson(bytes: unknown, bounds: unknown): void {
  if (!isUint8Array(bytes)) throw invalidArgument('the text', 'a Uint8Array', bytes)
  checkObject(bounds, 'the bounds', 'an object with "what" and "maxValues"', (given) => {
    return typeof propertyOf(given, 'what') === 'string' && typeof propertyOf(given, 'maxValues') === 'number'
  })
}

/**
 * Like {@link parseStrictJson}, step by step.
 *
 * @param pieceSize number of characters that are parsed at a time, for tests
 */
export function* strictJsonSteps(given: Uint8Array, stated: JsonBounds, pieceSize?: number): Steps<unknown> {
  const bounds = withoutPrototype(stated)
  const bytes = Buffer.from(given.buffer, given.byteOffset, given.byteLength)
  const { what, file, hint } = bounds
  if (bytes.length === 0)
    throw new ModelSealError('JSON_INVALID', `Cannot read the ${what}: it is empty.`, { file, hint })
  if ((bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) || !isUtf8(bytes)) {
    throw new ModelSealError(
      'JSON_NOT_UTF8',
      `Cannot read the ${what}: it is not UTF-8 or begins with a byte order mark.`,
      { file, hint },
    )
  }
  yield
  try {
    return yield* scan(bytes, bounds, pieceSize)
  } catch (cause) {
    if (!isSyntaxError(cause)) throw cause
    const other = standIn(bytes)
    throw new ModelSealError(
      'JSON_INVALID',
      `Cannot read the ${what}: it is truncated or not JSON (${shown(cause.message)}).`,
      {
        file,
        hint: other ? `The file ${other.clause}. ${other.fix}` : hint,
        cause,
      },
    )
  }
}

const QUOTE = 0x22
const COMMA = 0x2c
const OPEN_BRACKET = 0x5b
const BACKSLASH = 0x5c
const CLOSE_BRACKET = 0x5d
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d

/** Number of characters between two steps. */
const WINDOW = 16 * 1024

/** Correct for valid JSON. Anything else does no harm here, and `JSON.parse` refuses it. */
function* scan(bytes: Buffer, bounds: JsonBounds, pieceSize: number | undefined): Steps<unknown> {
  const { maxDepth = MAX_DEPTH, maxValues } = bounds
  // One character for each byte. The scan looks only for ASCII, which is never part of another character in UTF-8.
  const text = bytes.toString('latin1')
  const pieces = new JsonPieces(bytes, pieceSize)
  const keysOf = new KeysOfLevels(bounds)
  const open: (Keys | undefined)[] = [] // the keys of each open object; undefined for an array
  let keys: Keys | undefined // the keys of the innermost object
  let keyNext = false
  let values = 1
  const { length } = text
  for (let i = 0; i < length;) {
    const stop = Math.min(i + WINDOW, length)
    for (; i < stop; i++) {
      switch (text.charCodeAt(i)) {
        case QUOTE: {
          const end = endOfString(text, i)
          // A truncated key does not count, because it may begin like another key.
          if (keyNext && keys && end < length) {
            keys.add(text.slice(i + 1, end))
            pieces.key(i, end)
          }
          keyNext = false
          i = end
          break
        }
        case COMMA:
          keyNext = true
          if (++values > maxValues) throw tooComplex(bounds, `more than ${maxValues} values`)
          pieces.comma(i)
          break
        case OPEN_BRACE:
        case OPEN_BRACKET:
          keyNext = text.charCodeAt(i) === OPEN_BRACE
          keys = keyNext ? keysOf.newObject(open.length) : undefined
          if (open.push(keys) > maxDepth) throw tooComplex(bounds, `more than ${maxDepth} levels`)
          if (++values > maxValues) throw tooComplex(bounds, `more than ${maxValues} values`)
          pieces.open(i)
          break
        case CLOSE_BRACE:
        case CLOSE_BRACKET:
          open.pop()
          keys = open.at(-1)
          pieces.close(i)
          break
      }
    }
    yield
  }
  return pieces.finish()
}

/** Index of the closing quote, or the length of the text if there is none. */
export function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let backslashes = 0
    while (text.charCodeAt(end - 1 - backslashes) === BACKSLASH) backslashes++
    if (backslashes % 2 === 0) return end
  }
  return text.length
}
