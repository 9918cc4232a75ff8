import { ASYNC_DISPOSE } from '../any-realm.ts'

/**
 * Lets compiled `await using` find the method of a class: Babel, esbuild and Oxc compile it to this symbol if the realm lacks the
 * other.
 */
export function disposeIfCompiled(prototype: object): void {
  const value = Object.getOwnPropertyDescriptor(prototype, ASYNC_DISPOSE)?.value as unknown
  Object.defineProperty(prototype, Symbol.for('Symbol.asyncDispose'), { value })
}
