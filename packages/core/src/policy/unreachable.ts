import { dirname } from 'node:path'
import type { Rule } from './rule.ts'

/**
 * The first rule that takes every model before this one could. Only what is plain from the text is
 * found: equal globs, `**`, and `dir/**` over globs below `dir`.
 */
export function coveredBy(rule: Rule, rules: readonly Rule[]): Rule | undefined {
  return rules.slice(0, rules.indexOf(rule)).find((earlier) => covers(earlier, rule))
}

function covers(earlier: Rule, later: Rule): boolean {
  const [a, b] = [earlier.match.written, later.match.written]
  const formats = later.match.formats
  return (
    (!earlier.match.formats || (formats?.every((format) => earlier.match.formats?.includes(format)) ?? false)) &&
    everyGlob(a.url, b.url, globCovers) &&
    everyGlob(a.name, b.name, globCovers) &&
    everyGlob(
      a.path,
      b.path,
      (x, y) => (y.startsWith('/') || dirname(earlier.file) === dirname(later.file)) && globCovers(x, y),
    )
  )
}

type Globs = string | readonly string[] | undefined

function everyGlob(earlier: Globs, later: Globs, covers: (a: string, b: string) => boolean): boolean {
  if (earlier === undefined) return true
  if (later === undefined) return false
  return [later].flat().every((b) => [earlier].flat().some((a) => covers(a, b)))
}

function globCovers(a: string, b: string): boolean {
  if (a === b) return true
  // A glob that leaves its directory upward is not below it.
  if (b.split('/').includes('..')) return false
  if (a === '**') return !b.startsWith('/')
  const directory = /^([^*?{}\\]*\/)\*\*$/.exec(a)?.[1]
  return directory !== undefined && b.startsWith(directory)
}
