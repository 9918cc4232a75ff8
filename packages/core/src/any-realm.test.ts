import { runInNewContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import * as realm from './any-realm.ts'

/** The value of an expression in another realm. */
const foreign = (expression: string): unknown => runInNewContext(expression, { DOMException, URL })

const revoked = () => {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

/** A value that throws on every access. */
const hostile = new Proxy(
  {},
  {
    get: () => {
      throw new Error('asked')
    },
    has: () => {
      throw new Error('asked')
    },
  },
)

describe('values of another realm are recognized', () => {
  test.each([
    ['an error', realm.isError, 'new Error("x")'],
    ['an error of a class', realm.isError, 'new (class Own extends TypeError {})("x")'],
    ['a DOMException', realm.isError, 'new DOMException("x")'],
    ['a SyntaxError', realm.isSyntaxError, '(() => { try { JSON.parse("{") } catch (error) { return error } })()'],
    ['a Uint8Array', realm.isUint8Array, 'new Uint8Array(1)'],
    ['an ArrayBuffer', realm.isAnyArrayBuffer, 'new ArrayBuffer(1)'],
    ['a SharedArrayBuffer', realm.isAnyArrayBuffer, 'new SharedArrayBuffer(1)'],
    ['a Date', realm.isDate, 'new Date()'],
    ['an array', realm.isArray, '[]'],
    ['a URL', realm.isUrl, 'new URL("file:///a")'],
  ])('%s', (_, is, expression) => {
    expect(is(foreign(expression))).toBe(true)
    expect(is(foreign('({ message: 1, name: "Error", href: 1 })'))).toBe(false)
  })

  test('an AbortSignal of another library', () => {
    expect(realm.isAbortSignal(new AbortController().signal)).toBe(true)
    const signal = { aborted: false, addEventListener: () => {}, removeEventListener: () => {} }
    expect(realm.isAbortSignal(signal)).toBe(true)
    expect(realm.isAbortSignal({ aborted: false })).toBe(false)
    expect(realm.isAbortSignal(new EventTarget())).toBe(false)
  })

  test('the code, the message and the cause of an error', () => {
    const error = foreign('Object.assign(new Error("x", { cause: 1 }), { code: "ENOENT" })')
    expect([realm.codeOf(error), realm.messageOf(error), realm.causeOf(error)]).toEqual(['ENOENT', 'x', 1])
    expect(realm.codeOf(Object.assign(new Error('x'), { code: 7 }))).toBeUndefined()
    expect(realm.codeOf({ code: 'ENOENT' })).toBeUndefined()
  })
})

describe('no check throws or is deceived by', () => {
  test.each([
    ['nothing', undefined, 'undefined'],
    ['null', null, 'null'],
    ['an empty string', '', 'an empty string'],
    ['a string', 'x', 'a string'],
    ['a number', 1, 'a number'],
    ['NaN', NaN, 'NaN'],
    ['a bigint', 1n, 'a bigint'],
    ['a symbol', Symbol('x'), 'a symbol'],
    ['a function', () => {}, 'a function'],
    ['an object', {}, 'an object'],
    ['an object without a prototype', Object.create(null), 'an object'],
    ['an object whose toString throws', { toString: () => Symbol('x') }, 'an object'],
    ['an array', [], 'an array'],
    ['a buffer', Buffer.alloc(0), 'a buffer'],
    ['a date', new Date(), 'a date'],
    ['a promise', Promise.resolve(), 'a promise'],
    ['an error', new Error('x'), 'an error'],
    ['a URL', new URL('file:///a'), 'a URL'],
    ['a proxy that was revoked', revoked(), 'an object'],
    ['a proxy that throws', hostile, 'an object'],
  ])('%s', (_, value, kind) => {
    expect(realm.kindOf(value)).toBe(kind)
    expect(realm.isError(value)).toBe(kind === 'an error')
    expect(realm.isSyntaxError(value)).toBe(false)
    expect(realm.isUint8Array(value)).toBe(kind === 'a buffer')
    expect(realm.isAnyArrayBuffer(value)).toBe(false)
    expect(realm.isArray(value)).toBe(kind === 'an array')
    expect(realm.isDate(value)).toBe(kind === 'a date')
    expect(realm.isAbortSignal(value)).toBe(false)
    expect(realm.isUrl(value)).toBe(kind === 'a URL')
    expect(realm.isBranded(value, Symbol.for('modelseal.error'))).toBe(false)
    expect([realm.codeOf(value), realm.causeOf(value)]).toEqual([undefined, undefined])
    expect(typeof realm.messageOf(value)).toBe('string')
  })

  test.each([
    [
      Object.assign(new TypeError('fetch failed'), { cause: fault('ECONNRESET', 'read ECONNRESET') }),
      'read ECONNRESET',
    ],
    [new TypeError('fetch failed', { cause: fault('ECONNREFUSED', '') }), 'ECONNREFUSED: Error'],
    [fault('ERR_WORKER_INIT_FAILED', 'EAGAIN.\nat x'), 'ERR_WORKER_INIT_FAILED: EAGAIN'],
    [new Error('broken.'), 'broken'],
    ['thrown text', 'thrown text'],
  ])('the reason of a failure is one line: %#', (thrown, reason) => {
    expect(realm.reasonOf(thrown)).toBe(reason)
  })

  test('an error whose message throws', () => {
    const error = Object.defineProperty(new Error('x'), 'message', { get: () => hostile })
    expect(realm.messageOf(error)).toBe('an error')
  })
})

function fault(code: string, message: string): Error {
  return Object.assign(new Error(message), { code })
}
