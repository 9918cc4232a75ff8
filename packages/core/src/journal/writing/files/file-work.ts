/**
 * Work with files that is done in turns while the process runs, and at once when it exits, where nothing can be waited for.
 */
export type FileWork<T> = Generator<Step, T, unknown>

interface Step {
  now: () => unknown
  soon: () => Promise<unknown>
}

/** One step, as a synchronous and an asynchronous function. */
export function* step<T>(now: () => T, soon: () => Promise<T>): FileWork<T> {
  return (yield { now, soon }) as T
}

export function runNow<T>(steps: FileWork<T>): T {
  let { done, value } = steps.next()
  while (!done) {
    let result: unknown
    let failure: { error: unknown } | undefined
    try {
      result = (value as Step).now()
    } catch (error) {
      failure = { error }
    }
    ;({ done, value } = failure ? steps.throw(failure.error) : steps.next(result))
  }
  return value as T
}

export async function runSoon<T>(steps: FileWork<T>): Promise<T> {
  let { done, value } = steps.next()
  while (!done) {
    let result: unknown
    let failure: { error: unknown } | undefined
    try {
      result = await (value as Step).soon()
    } catch (error) {
      failure = { error }
    }
    ;({ done, value } = failure ? steps.throw(failure.error) : steps.next(result))
  }
  return value as T
}
