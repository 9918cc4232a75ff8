/** A body that stays open until it is released. */
interface HeldBody<B> {
  /** Undefined if there is none. Rejects if it cannot be opened. */
  readonly body: Promise<B | undefined>
  readonly release: () => void
  /** Releases it, and waits until it is closed. Never fails. */
  readonly close: () => Promise<void>
}

/**
 * Turns a body that is passed to a callback into one that is returned, so that a generator can pass its content on.
 *
 * @param open passes the body to its callback, and closes it when that has ended
 */
export function heldOpen<B>(open: (take: (body: B) => Promise<true>) => Promise<unknown>): HeldBody<B> {
  const opened = Promise.withResolvers<B | undefined>()
  const released = Promise.withResolvers<true>()
  const closed = open((body) => {
    opened.resolve(body)
    return released.promise
  })
  closed.then(() => opened.resolve(undefined), opened.reject)
  const release = () => released.resolve(true)
  const close = async () => {
    release()
    await closed.catch(() => {})
  }
  return { body: opened.promise, release, close }
}
