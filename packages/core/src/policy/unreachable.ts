import { dirname } from 'node:path'
import { compileGlob } from './glob.ts'
import type { RuleMatch } from './match.ts'
import type { Rule } from './rule.ts'

/**
 * The first rule that takes every model before this one could. Only what is plain from the text is
 * found: equal globs, `**`, and `dir/**` over globs below `dir`.
 */
export function coveredBy(rule: Rule, rules: readonly Rule[]): Rule | undefined {
  return rules.slice(0, rules.indexOf(rule)).find((earlier) => covers(earlier, rule))
}

/** The first rule behind one with a name that may take the same path: a name can be changed, or withheld. */
export function reachedAround(rule: Rule, rules: readonly Rule[]): Rule | undefined {
  if (rule.match.name === undefined) return undefined
  return rules.slice(rules.indexOf(rule) + 1).find((later) => mayMeet(rule, later))
}

/** False only where it is plain from the text that no model has both. */
function mayMeet(a: Rule, b: Rule): boolean {
  const sameDirectory = dirname(a.file) === dirname(b.file)
  if (a.match.memory || b.match.memory) return false
  return (
    (!a.match.formats || (b.match.formats?.some((format) => a.match.formats?.includes(format)) ?? true)) &&
    someGlobs(a.match.written.url, b.match.written.url, globsMeet) &&
    someGlobs(
      a.match.written.path,
      b.match.written.path,
      (x, y) => (!sameDirectory && !(x.startsWith('/') && y.startsWith('/'))) || pathGlobsMeet(x, y),
    )
  )
}

function someGlobs(a: Globs, b: Globs, meet: (x: string, y: string) => boolean): boolean {
  return a === undefined || b === undefined || [a].flat().some((x) => [b].flat().some((y) => meet(x, y)))
}

function pathGlobsMeet(a: string, b: string): boolean {
  return a.startsWith('/') !== b.startsWith('/') || globsMeet(a.replace(/^\.\//, ''), b.replace(/^\.\//, ''))
}

function globsMeet(a: string, b: string): boolean {
  return compileGlob(a).spelled.some((x) => compileGlob(b).spelled.some((y) => componentsMeet(x, y)))
}

/** Up to the first wildcard of either, what is spelled out must be the same. */
function componentsMeet(a: readonly (string | undefined)[], b: readonly (string | undefined)[]): boolean {
  const wild = a.findIndex((component, index) => component === undefined || b[index] === undefined)
  const same = a.slice(0, wild < 0 ? a.length : wild).every((component, index) => component === b[index])
  return same && (a.length === b.length || a.includes(undefined) || b.includes(undefined))
}

function covers(earlier: Rule, later: Rule): boolean {
  const [a, b] = [earlier.match.written, later.match.written]
  const formats = later.match.formats
  return (
    memoryCovers(earlier.match, later.match) &&
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

function memoryCovers({ memory: earlier }: RuleMatch, { memory: later }: RuleMatch): boolean {
  if (earlier === undefined || later === undefined) return earlier === later
  return earlier === 'any' || (later !== 'any' && later.every((digest) => earlier.includes(digest)))
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
