/** Longer words are unlikely to be typing errors, and comparing them takes time. */
const LONGEST = 64

/**
 * Finds the word that was probably meant: the one with the fewest slips (a letter too many, too few or wrong, or two letters
 * swapped), if they are few. Case, `-` and `_` make no difference.
 *
 * @returns undefined if no word is close enough
 */
export function nearest(word: string, known: Iterable<string>): string | undefined {
  const plain = plainWord(word)
  if (plain === '' || plain.length > LONGEST) return undefined
  let best: string | undefined
  let fewest = Infinity
  for (const candidate of known) {
    const other = plainWord(candidate)
    const slips = slipsBetween(plain, other)
    // A third of the letters: "kye" for "key", "pubKey" for "publicKey".
    if (slips >= fewest || slips > Math.max(plain.length, other.length) / 3) continue
    best = candidate
    fewest = slips
  }
  return best
}

/** True for a word with at most one slip, apart from case, `-` and `_`. */
export function isSlipOf(word: string, known: string): boolean {
  return word.length <= LONGEST && slipsBetween(plainWord(word), plainWord(known)) <= 1
}

/** ` Did you mean "x"?`, or nothing. */
export function didYouMean(word: unknown, known: Iterable<string>): string {
  const meant = typeof word === 'string' ? nearest(word, known) : undefined
  return meant === undefined ? '' : ` Did you mean "${meant}"?`
}

function plainWord(word: string): string {
  return word.toLowerCase().replace(/[-_ ]/g, '')
}

/** Optimal string alignment. */
function slipsBetween(a: string, b: string): number {
  let [before, last]: [number[], number[]] = [[], Array.from({ length: b.length + 1 }, (_, j) => j)]
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      let slips = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + (same ? 0 : 1))
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        slips = Math.min(slips, (before[j - 2] ?? 0) + 1)
      row.push(slips)
    }
    ;[before, last] = [last, row]
  }
  return last[b.length] ?? 0
}
