import { isAbortSignal, isAnyArrayBuffer, isArray, isDate, isUint8Array, isUrl, kindOf } from './any-realm.ts'
import { absolutePath, isFileUrlText, plainPlace, refuseSecret, schemeOf } from './absolute-path.ts'
import { ModelSealError, shown } from './errors.ts'

/**
 * Makes the value of one option independent of the caller, such as an absolute path or a copy of a list. Refuses a value of the
 * wrong kind.
 *
 * @param option its name, for the error
 * @throws {@link ModelSealError} `INVALID_ARGUMENT`
 */
export type Copy = ((value: unknown, option: string) => unknown) & { readonly required?: true }

/** The option must be given. */
export function required(copy: Copy): Copy {
  return Object.assign((value: unknown, option: string) => copy(value, option), { required: true as const })
}

export const text: Copy = (value, option) => {
  if (typeof value === 'string') return value
  throw invalidOption(option, 'a string', value)
}

/** A password, PIN or token: no message shows what was given in its place. */
export const secret: Copy = (value, option) => {
  if (typeof value === 'string') return value
  throw ofAnotherKind(option, 'a string', value)
}

/** One of a few words. */
export const choice =
  (...words: readonly string[]): Copy =>
  (value, option) => {
    if (words.some((word) => word === value)) return value
    throw invalidOption(option, words.map(shown).join(' or '), value)
  }

export const flag: Copy = (value, option) => {
  if (typeof value === 'boolean') return value
  throw invalidOption(option, 'true or false', value)
}

/** `setTimeout` supports at most 2^31 - 1 and treats anything larger as 1. */
const LONGEST_TIMEOUT_MS = 2_147_483_647

export const milliseconds: Copy = (value, option) => {
  if (Number.isSafeInteger(value) && (value as number) > 0 && (value as number) <= LONGEST_TIMEOUT_MS) return value
  throw invalidOption(option, `an integer from 1 to ${LONGEST_TIMEOUT_MS} (milliseconds)`, value)
}

/** Null, which some libraries pass, means no signal. */
export const signal: Copy = (value, option) => {
  if (value === null) return undefined
  if (isAbortSignal(value)) return isOfNode(value) ? value : following(value)
  throw invalidOption(option, 'an AbortSignal', value)
}

/** `fetch` and `AbortSignal.any()` accept only these. */
function isOfNode(signal: AbortSignal): boolean {
  try {
    return Reflect.getOwnPropertyDescriptor(AbortSignal.prototype, 'aborted')?.get?.call(signal) !== undefined
  } catch {
    return false
  }
}

/** One follower per signal, because a signal may outlive any number of loads and keeps its listeners. */
const followers = new WeakMap<AbortSignal, AbortSignal>()

function following(other: AbortSignal): AbortSignal {
  const known = followers.get(other)
  if (known) return known
  const controller = new AbortController()
  const abort = () => controller.abort(other.reason)
  if (other.aborted) abort()
  else other.addEventListener('abort', abort, { once: true })
  followers.set(other, controller.signal)
  return controller.signal
}

/** Null means no function. */
export const callback: Copy = (value, option) => {
  if (value === null) return undefined
  if (typeof value === 'function') return value
  throw invalidOption(option, 'a function', value)
}

/** A path as given, because messages may name it. A `file:` URL, as a string or as a URL, becomes a path. */
export const givenPath: Copy = (value, option) => {
  refuseSecret(value)
  if (typeof value === 'string' && value !== '' && !isFileUrlText(value)) return value
  if (typeof value === 'string' || isUrl(value)) return pathFrom(value, option)
  throw invalidOption(option, 'a path', value)
}

/** An absolute path. */
export const path: Copy = (value, option) => pathFrom(value, option)

function pathFrom(value: unknown, option: string): string {
  try {
    return absolutePath(value)
  } catch (error) {
    if (typeof value === 'string' && value !== '') throw error
    throw invalidOption(option, 'a path', value)
  }
}

/** An absolute path of a file that is never fetched, such as a policy: any URL but `file:` is a mistake. */
export const localPath: Copy = (value, option) => {
  refuseSecret(value)
  const text = isUrl(value) ? value.href : value
  const url = typeof text === 'string' && schemeOf(text) !== undefined ? URL.parse(text) : null
  if (url && url.protocol !== 'file:') throw invalidOption(option, 'a path or a "file:" URL', plainPlace(url.href))
  return pathFrom(value, option)
}

/** A copy of bytes, which the caller cannot change. */
export const bytesCopy: Copy = (value, option) => {
  if (isUint8Array(value)) return Uint8Array.from(value)
  throw invalidOption(option, 'a Uint8Array', value)
}

/** An independent point in time. */
export const dateCopy: Copy = (value, option) => {
  if (isDate(value)) return new Date(Date.prototype.getTime.call(value))
  throw invalidOption(option, 'a Date', value)
}

/** More than the files of any model, but copied in less than a second. */
const LONGEST_LIST = 1_000_000

/** An independent list, whose items are copied in turn. */
export const listOf =
  (copy: Copy): Copy =>
  (value, option) => {
    if (!isArray(value)) throw invalidOption(option, 'an array', value)
    if (value.length > LONGEST_LIST) throw invalidOption(option, `at most ${LONGEST_LIST} items`, value)
    return Object.freeze([...value].map((item, index) => copy(item, `${option}[${index}]`)))
  }

/** An object of another origin, recognized by its properties. */
export const having =
  (what: string, fits: (value: object) => boolean): Copy =>
  (value, option) => {
    if (typeof value === 'object' && value !== null && fits(value)) return value
    throw ofAnotherKind(option, what, value)
  }

/** The bytes of an argument, in place: of a buffer or of a view on one. */
export function checkedBytes(value: unknown, argument: string): Uint8Array {
  if (isUint8Array(value)) return value
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
  if (isAnyArrayBuffer(value)) return new Uint8Array(value)
  throw invalidArgument(argument, 'a Uint8Array or another buffer', value)
}

/** @throws {@link ModelSealError} `INVALID_ARGUMENT` */
export function checkedText(value: unknown, argument: string): string {
  if (typeof value === 'string') return value
  throw invalidArgument(argument, 'a string', value)
}

/** @throws {@link ModelSealError} `INVALID_ARGUMENT` */
export function checkObject(
  value: unknown,
  argument: string,
  expected: string,
  fits: (value: object) => boolean,
): void {
  if (typeof value === 'object' && value !== null && fits(value)) return
  throw invalidArgument(argument, expected, value)
}

/** The error for an option of the wrong kind or out of range. */
export function invalidOption(option: string, expected: string, found: unknown): ModelSealError {
  return new ModelSealError('INVALID_ARGUMENT', `Invalid value for option "${option}".`, {
    expected,
    found: shownValue(found),
  })
}

/** @param argument its name, with an article: `the model` */
export function invalidArgument(argument: string, expected: string, found: unknown): ModelSealError {
  return new ModelSealError('INVALID_ARGUMENT', `Invalid argument for ${argument}.`, {
    expected,
    found: shownValue(found),
  })
}

/** As {@link invalidOption}, for a value that may be a secret: only its kind is shown. */
function ofAnotherKind(option: string, expected: string, value: unknown): ModelSealError {
  return new ModelSealError('INVALID_ARGUMENT', `Invalid value for option "${option}".`, {
    expected,
    found: kindOf(value),
  })
}

/** Shows strings, numbers and booleans; for everything else, only the kind. */
export function shownValue(value: unknown): string {
  if (typeof value === 'string' && value !== '') return shown(value)
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : kindOf(value)
}
