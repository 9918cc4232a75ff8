/** Does the work for all items, a few at a time. Starts nothing more after a failure. */
export function lanes<T>(
  items: readonly T[],
  most: number,
  work: (item: T, index: number) => Promise<unknown>,
): Promise<void>[] {
  let next = 0
  const lane = async () => {
    for (let index = next++; index < items.length; index = next++) {
      try {
        await work(items[index] as T, index)
      } catch (error) {
        next = Infinity
        throw error
      }
    }
  }
  return Array.from({ length: Math.min(most, items.length) }, lane)
}
