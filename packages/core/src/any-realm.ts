import { types } from 'node:util'

// Jest, vitest's vmThreads and every vm context have their own globals. There, an error of node:fs is not an `instanceof Error`, and a
// caller's buffer is not an `instanceof Uint8Array`. So nothing here checks the class: built-in values are recognized by their internal
// slots, everything else by its shape. A property may be a getter and may throw; each is read once, and nothing here throws.

/** True for an error of any realm, and for anything like one, such as a DOMException. */
export function isError(value: unknown): value is Error {
  if (types.isNativeError(value)) return true
  return (
    isObject(value) && typeof propertyOf(value, 'message') === 'string' && typeof propertyOf(value, 'name') === 'string'
  )
}

/** True for a SyntaxError of any realm, such as those of `JSON.parse()` and `new RegExp()`. */
export function isSyntaxError(value: unknown): value is SyntaxError {
  return isError(value) && propertyOf(value, 'name') === 'SyntaxError'
}

/** A thrown value as text: the message of an error, or the value itself. */
export function messageOf(thrown: unknown): string {
  const message = isError(thrown) ? propertyOf(thrown, 'message') : undefined
  return typeof message === 'string' ? message : textOf(thrown)
}

/** The code of an error, such as `ENOENT`; undefined unless it is a string. */
export function codeOf(thrown: unknown): string | undefined {
  const code = isError(thrown) ? propertyOf(thrown, 'code') : undefined
  return typeof code === 'string' ? code : undefined
}

/** The cause of an error. */
export function causeOf(thrown: unknown): unknown {
  return isError(thrown) ? propertyOf(thrown, 'cause') : undefined
}

/**
 * Why something failed, as one line: the message of the thrown value, with its code unless the message contains it. Uses the
 * cause if there is one, because `fetch` itself says only "fetch failed".
 */
export function reasonOf(thrown: unknown): string {
  const cause = causeOf(thrown)
  const error = isError(cause) ? cause : thrown
  const [line = ''] = messageOf(error).split('\n')
  // An AggregateError, such as after trying several addresses, has a code and no message.
  const text = line.replace(/\.$/, '') || (isError(error) ? error.name : '')
  const code = codeOf(error)
  return code === undefined || text.includes(code) ? text : `${code}: ${text}`
}

export function isUint8Array(value: unknown): value is Uint8Array {
  return types.isUint8Array(value)
}

/** Includes shared buffers. */
export function isAnyArrayBuffer(value: unknown): value is ArrayBufferLike {
  return types.isAnyArrayBuffer(value)
}

export function isDate(value: unknown): value is Date {
  return types.isDate(value)
}

/** Checks only the members that are used: other libraries have their own signals. */
export function isAbortSignal(value: unknown): value is AbortSignal {
  return (
    isObject(value) &&
    typeof propertyOf(value, 'aborted') === 'boolean' &&
    typeof propertyOf(value, 'addEventListener') === 'function' &&
    typeof propertyOf(value, 'removeEventListener') === 'function'
  )
}

/** Recognizes a URL like Node.js does for paths: its own, or that of jsdom. */
export function isUrl(value: unknown): value is URL {
  return (
    isObject(value) &&
    typeof propertyOf(value, 'href') === 'string' &&
    typeof propertyOf(value, 'protocol') === 'string'
  )
}

/**
 * The kind of a value, for a message: never its content, and without calling its methods.
 *
 * @returns such as `null`, `an array`, `a buffer`, `a URL`, `an empty string`, `a number`
 */
export function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  if (typeof value === 'function') return 'a function'
  if (typeof value !== 'object')
    return value === '' ? 'an empty string' : Number.isNaN(value) ? 'NaN' : `a ${typeof value}`
  if (isArray(value)) return 'an array'
  if (ArrayBuffer.isView(value) || isAnyArrayBuffer(value)) return 'a buffer'
  if (isDate(value)) return 'a date'
  if (types.isPromise(value)) return 'a promise'
  if (isError(value)) return 'an error'
  return isUrl(value) ? 'a URL' : 'an object'
}

/**
 * True for an object with a mark from the global symbol registry (`Symbol.for`), which all realms share.
 *
 * @param brand own or inherited
 */
export function isBranded(value: unknown, brand: symbol): boolean {
  try {
    return isObject(value) && brand in value
  } catch {
    return false
  }
}

/** Like {@link isBranded}, but the mark must be an own property, so that nothing on `Object.prototype` can replace it. */
export function isMarked(value: unknown, mark: symbol): boolean {
  try {
    return isObject(value) && Object.hasOwn(value, mark)
  } catch {
    return false
  }
}

/**
 * `Symbol.asyncDispose`, including realms in which Node.js 22 does not define it: there, it is the symbol that Node.js uses.
 * `await using` itself does not work in such realms, so everything disposable has a `close()`, and nothing here uses it.
 */
export const ASYNC_DISPOSE: typeof Symbol.asyncDispose =
  (Symbol as Partial<typeof Symbol>).asyncDispose ?? (Symbol.for('nodejs.asyncDispose') as typeof Symbol.asyncDispose)

/** `Array.isArray()` throws for a proxy that was revoked. */
export function isArray(value: unknown): value is unknown[] {
  try {
    return Array.isArray(value)
  } catch {
    return false
  }
}

/** Undefined if reading it throws, and for a property that only `Object.prototype` has, where any code may have put it. */
export function propertyOf(value: object, name: PropertyKey): unknown {
  try {
    return has(value, name) ? (Reflect.get(value, name) as unknown) : undefined
  } catch {
    return undefined
  }
}

function has(value: object, name: PropertyKey): boolean {
  // A proxy may return properties that it does not list.
  if (types.isProxy(value)) return !(name in Object.prototype)
  for (let level: object | null = value; level !== null; level = Object.getPrototypeOf(level) as object | null) {
    if (Object.hasOwn(level, 'isPrototypeOf')) return false
    if (Object.hasOwn(level, name)) return true
  }
  return false
}

/** `String()` throws for an object without a usable `toString`. */
function textOf(value: unknown): string {
  try {
    return String(value)
  } catch {
    return kindOf(value)
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}
