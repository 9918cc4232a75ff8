import type { ListedEntry } from '@modelseal/core/advisory'

/** A longer list would bury the rest; `--json` has all. */
const MOST_LISTED = 200

/** A line for each entry. @param mark begins each line */
export function entryLines(entries: readonly ListedEntry[], shown: (text: string) => string, mark = ' '): string[] {
  const lines = entries.slice(0, MOST_LISTED).map(({ description, entry }) => {
    const { from, until, severity, reason } = typeof entry === 'string' ? {} : entry
    const facts = [
      ...(from === undefined ? [] : [`from ${from}`]),
      ...(until === undefined ? [] : [`until ${until}`]),
      ...(severity === undefined ? [] : [severity]),
      ...(reason === undefined ? [] : [`reason ${shown(reason)}`]),
    ]
    return `${mark} ${description}${facts.length === 0 ? '' : `: ${facts.join(', ')}`}`
  })
  const more = entries.length - MOST_LISTED
  return more > 0 ? [...lines, `${mark} and ${more} more (see --json)`] : lines
}

/** `1 entry`, `2 entries`. */
export function count(entries: number): string {
  return `${entries} ${entries === 1 ? 'entry' : 'entries'}`
}
