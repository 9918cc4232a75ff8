import { existsSync, readFileSync } from 'node:fs'
import type { Mutant, Position, Results } from './stryker.ts'

/** A mutant that no test can, or need, kill. */
export interface Survivor {
  file: string
  /** The line of the source on which it begins, without spaces around it. */
  line: string
  /** What is replaced; long code is cut in the middle. */
  original: string
  /** Which occurrence of the original in the line, counted from 1, if there are several. */
  nth?: number | undefined
  mutator: string
  replacement: string
  /** Why it does the same as the original, or why the difference is harmless. */
  reason: string
}

/** A mutant as the list of survivors names it: line numbers would change with every edit. */
export type NamedMutant = Omit<Survivor, 'reason'> & { status: Mutant['status']; location: Mutant['location'] }

/** The accepted survivors of a folder. */
export function acceptedSurvivors(folder: string): Survivor[] {
  const file = listOf(folder)
  const entries = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Survivor[]) : []
  const without = entries.filter(({ reason }) => !reason || reason.trim() === '')
  if (without.length > 0) throw new Error(`${file}: an entry without a reason: ${JSON.stringify(without[0])}`)
  return entries
}

/** Where the survivors of a folder are listed: those of `packages/core/src/policy/matching` in `core/policy/matching.json`. */
export function listOf(folder: string): string {
  return `test/mutation/survivors/${folder.replace('packages/', '').replace('/src', '')}.json`
}

/** The mutants of a report that count: not those of sentences, nor those that do not even load. */
export function namedMutants(results: Results): NamedMutant[] {
  return Object.entries(results).flatMap(([file, { source, mutants }]) =>
    mutants.filter(({ status }) => COUNTED.has(status)).map((mutant) => ({ file, ...named(mutant, source) })),
  )
}

const COUNTED: ReadonlySet<Mutant['status']> = new Set(['Killed', 'Timeout', 'Survived', 'NoCoverage'] as const)

function named({ mutatorName, replacement, status, location }: Mutant, source: string): Omit<NamedMutant, 'file'> {
  const lines = source.split('\n')
  const line = lines[location.start.line - 1] ?? ''
  const original = textOf(lines, location)
  const columns = columnsOf(original, line)
  return {
    line: line.trim(),
    original: short(original),
    ...(columns.length > 1 && { nth: columns.indexOf(location.start.column) + 1 }),
    mutator: mutatorName,
    replacement: short(replacement),
    status,
    location,
  }
}

function textOf(lines: readonly string[], { start, end }: { start: Position; end: Position }): string {
  const within = lines.slice(start.line - 1, end.line)
  // Positions count from 1, and the end is behind the last character.
  return within
    .map((line, index) => (index === within.length - 1 ? line.slice(0, end.column - 1) : line))
    .map((line, index) => (index === 0 ? line.slice(start.column - 1) : line))
    .join('\n')
}

/** Where a text begins in a line. */
function columnsOf(text: string, line: string): number[] {
  return Array.from({ length: line.length }, (_, index) => index + 1).filter((column) =>
    line.startsWith(text, column - 1),
  )
}

const LONGEST = 160

function short(text: string): string {
  const single = text.replace(/\s+/g, ' ').trim()
  return single.length <= LONGEST ? single : `${single.slice(0, LONGEST / 2)} … ${single.slice(-LONGEST / 2)}`
}

export function survives({ status }: Pick<NamedMutant, 'status'>): boolean {
  return status === 'Survived' || status === 'NoCoverage'
}

/** Compares mutants with the list. An entry is stale if its file was mutated but nothing in it is such a mutant any more. */
export function compare(mutants: readonly NamedMutant[], accepted: readonly Survivor[], mutated: ReadonlySet<string>) {
  const known = new Set(accepted.map(keyOf))
  const found = new Set(mutants.map(keyOf))
  const surviving = mutants.filter(survives)
  const survivingKeys = new Set(surviving.map(keyOf))
  const isKnown = (mutant: NamedMutant): boolean => known.has(keyOf(mutant))
  const matching = accepted.filter((entry) => mutated.has(entry.file))
  return {
    accepted: surviving.filter(isKnown),
    unlisted: surviving.filter((mutant) => !isKnown(mutant)),
    stale: matching.filter((entry) => !found.has(keyOf(entry))),
    /** Entries whose mutants are killed: they can go, unless that depends on timing. */
    killed: matching.filter((entry) => found.has(keyOf(entry)) && !survivingKeys.has(keyOf(entry))),
  }
}

function keyOf({ file, line, original, nth, mutator, replacement }: Omit<Survivor, 'reason'>): string {
  return JSON.stringify([file, line, original, nth, mutator, replacement])
}
