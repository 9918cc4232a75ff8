/**
 * Orders strings by Unicode code point (OMS 5.2.1), which is the byte order of their UTF-8 form.
 * JavaScript's `<` compares UTF-16 code units and puts U+1F600 (a surrogate pair that begins with 0xD83D)
 * before U+FF21.
 */
export function compareCodePoints(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i)
    const y = b.charCodeAt(i)
    if (x !== y) return aboveSurrogates(x) - aboveSurrogates(y)
  }
  return a.length - b.length
}

/** Moves surrogates above all other code units, because the code points that they encode are above them. */
function aboveSurrogates(unit: number): number {
  if (unit < 0xd800) return unit
  return unit >= 0xe000 ? unit - 0x800 : unit + 0x2000
}

/** Sorts by name in the order of code points (OMS 5.2.1), in place. */
export function sortByName(items: { name: string }[]): void {
  items.sort(
    haveSurrogates(items)
      ? (a, b) => compareCodePoints(a.name, b.name)
      : (a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0),
  )
}

/** Whether the names are strictly in the order of code points. */
export function areSortedByName(items: readonly { name: string }[]): boolean {
  return strictlyAscending(
    items,
    haveSurrogates(items) ? (a, b) => compareCodePoints(a.name, b.name) : (a, b) => (a.name < b.name ? -1 : 0),
  )
}

/** Without surrogates, the order of code points is that of code units, which JavaScript compares much faster. */
function haveSurrogates(items: readonly { name: string }[]): boolean {
  return items.some(({ name }) => SURROGATE.test(name))
}

const SURROGATE = /[\ud800-\udfff]/

/**
 * The order that the reference tool writes: by path components, each by code point, so that
 * `model/x` comes before `model.bin`.
 */
export function compareComponents(a: string, b: string): number {
  // A separator ends a component, so it sorts before any character that continues one.
  return compareCodePoints(a.replaceAll('/', '\0'), b.replaceAll('/', '\0'))
}

/** Whether each item is greater than the one before it. */
export function strictlyAscending<T>(items: readonly T[], compare: (a: T, b: T) => number): boolean {
  for (let i = 1; i < items.length; i++) {
    if (compare(items[i - 1] as T, items[i] as T) >= 0) return false
  }
  return true
}
