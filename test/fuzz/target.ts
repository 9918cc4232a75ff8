import { isUtf8 } from 'node:buffer'
import { inspect, isDeepStrictEqual } from 'node:util'
import { ModelSealError } from '../../packages/core/src/errors.ts'

/** What is fuzzed: code that reads bytes from outside, and the promises that it has to keep for all of them. */
export interface Target {
  /** Inputs to begin with: valid ones, and such that tests refuse. */
  seeds(): readonly Uint8Array[] | Promise<readonly Uint8Array[]>
  /** Words of the format. Those in the source of the target are added. */
  readonly dictionary?: readonly string[]
  /** Longest input, in bytes; 4,096 without it, and at most {@link LONGEST}. */
  readonly longest?: number
  /**
   * Runs the code on an input, and checks what it did.
   *
   * @throws if a promise is broken; it must not throw the typed errors with which bad input is refused
   */
  check(input: Uint8Array): void | Promise<void>
}

export const LONGEST = 64 * 1024

/** Stands for an input that was refused with a typed error. */
export const REFUSED = Symbol('refused')

/** The result of `read`, or {@link REFUSED}. An error without a type, and one that says `INTERNAL`, is a finding. */
export function readOrRefused<Result>(read: () => Result): Result | typeof REFUSED {
  try {
    return read()
  } catch (error) {
    return refusedBy(error)
  }
}

/** Like {@link readOrRefused}, for what returns a promise. */
export async function readOrRefusedLater<Result>(read: () => Promise<Result>): Promise<Result | typeof REFUSED> {
  try {
    return await read()
  } catch (error) {
    return refusedBy(error)
  }
}

function refusedBy(error: unknown): typeof REFUSED {
  if (!(error instanceof ModelSealError) || error.code === 'INTERNAL') throw error
  return REFUSED
}

/** UTF-8 of each text. */
export function texts(...all: string[]): Uint8Array[] {
  return all.map((text) => Buffer.from(text))
}

/** @throws an error that names what differs */
export function mustEqual(found: unknown, expected: unknown, what: string): void {
  if (isDeepStrictEqual(found, expected)) return
  throw new Error(`${what}: not as expected.\nfound: ${inspect(found)}\nexpected: ${inspect(expected)}`)
}

/** The input as text; undefined if it is not UTF-8. */
export function textOf(input: Uint8Array): string | undefined {
  return isUtf8(input) ? Buffer.from(input).toString() : undefined
}

/** No message contains more than the beginning of what was read. Its characters may be escaped, and it is in `found` as well. */
const LONGEST_REFUSAL = 6000

/** What was refused, and where. */
export interface Refused {
  readonly code: string
  readonly line: number | undefined
}

/** Like {@link readOrRefusedLater}, for what may be refused only with some codes, and in few words. */
export async function readOrRefusedWith<Result>(
  codes: RegExp,
  read: () => Promise<Result>,
): Promise<{ value: Result } | { refused: Refused }> {
  try {
    return { value: await read() }
  } catch (error) {
    if (!(error instanceof ModelSealError) || !codes.test(error.code)) throw error
    const { code, line, message, expected = '', found = '', hint = '' } = error
    const said = [message, expected, found, hint].join('').length
    if (said > LONGEST_REFUSAL) throw new Error(`A refusal has ${said} characters.`, { cause: error })
    return { refused: { code, line } }
  }
}
