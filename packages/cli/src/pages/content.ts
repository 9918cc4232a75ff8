// What reports consist of, whatever the format.

/** Text, or an address that somebody wrote. Only http(s) becomes a link. */
export type Value = string | { address: string }
export type Facts = readonly (readonly [name: string, value: Value])[]

export interface Table {
  caption: string
  header: readonly string[]
  rows: readonly (readonly string[])[]
  /** The number of rows that are left out. */
  more: number
}

/** How far something is believed, in words. */
export interface Status {
  /** Selects a colour, which says no more than the words do. */
  tone: 'good' | 'unsure' | 'bad'
  words: string
  why: string
}
