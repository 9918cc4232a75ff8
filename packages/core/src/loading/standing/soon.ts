import { clearTimeout, setTimeout } from '../../real-time.ts'

/** The result of a work, or undefined if it takes longer than so many milliseconds. Keeps no process alive. */
export async function soon<T extends object>(work: Promise<T>, milliseconds: number): Promise<T | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<undefined>((go) => {
    timer = setTimeout(() => {
      go(undefined)
    }, milliseconds)
    timer.unref()
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Like a sleep, which keeps no process alive. */
export function pause(milliseconds: number): Promise<void> {
  return new Promise((go) => {
    setTimeout(go, milliseconds).unref()
  })
}
