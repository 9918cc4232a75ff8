import { dirname } from 'node:path'
import { compileGlob } from './glob.ts'
import type { RuleMatch } from './match.ts'
import type { Rule } from '../rule.ts'

/** Maximum number of globs compared for one policy. Honest ones need some thousands; a hostile one, the square of its rules. */
const MAX_COMPARISONS = 2_000_000

/** Finds rules that keep others from being reached, as far as the text shows. */
export class RuleOrder {
  readonly #rules: readonly Rule[]
  readonly #indexes: ReadonlyMap<Rule, number>
  /** Indexes of rules, by a glob that each rule they cover must have. */
  readonly #byGlob = new Map<string, number[]>()
  readonly #spelled = new Map<string, Spelled>()
  #left: number

  /** @param most maximum number of comparisons */
  constructor(rules: readonly Rule[], most = MAX_COMPARISONS) {
    this.#left = most
    this.#rules = rules
    this.#indexes = new Map(rules.map((rule, index) => [rule, index]))
    for (const [index, rule] of rules.entries()) {
      for (const glob of new Set(coveringGlobs(rule))) {
        const indexes = this.#byGlob.get(glob)
        if (indexes) indexes.push(index)
        else this.#byGlob.set(glob, [index])
      }
    }
  }

  /** False if there were too many rules to compare every pair that might matter. */
  get complete(): boolean {
    return this.#left > 0
  }

  /**
   * The first earlier rule that matches every model that this one matches. Finds only what the text
   * shows: equal globs, `**`, and `dir/**` over globs below `dir`.
   */
  coveredBy(rule: Rule): Rule | undefined {
    const end = this.#indexOf(rule)
    let first = end
    for (const glob of coveredGlobs(rule)) {
      for (const index of this.#byGlob.get(glob) ?? []) {
        if (index >= first || !this.#mayCompare()) break
        if (covers(this.#rules[index] as Rule, rule)) first = index
      }
    }
    return first === end ? undefined : this.#rules[first]
  }

  /** The first rule after one with a name that may match the same path: a name can be changed or withheld. */
  reachedAround(rule: Rule): Rule | undefined {
    if (rule.match.name === undefined) return undefined
    for (let index = this.#indexOf(rule) + 1; index < this.#rules.length && this.#mayCompare(); index++) {
      const later = this.#rules[index] as Rule
      if (mayMeet(rule, later, (x, y) => this.#globsMeet(x, y))) return later
    }
    return undefined
  }

  #indexOf(rule: Rule): number {
    return this.#indexes.get(rule) ?? this.#rules.length
  }

  #mayCompare(): boolean {
    if (!this.complete) return false
    this.#left--
    return true
  }

  #globsMeet(a: string, b: string): boolean {
    const others = this.#spelledOut(b)
    return this.#spelledOut(a).some((x) => others.some((y) => !this.#mayCompare() || componentsMeet(x, y)))
  }

  #spelledOut(glob: string): Spelled {
    let spelled = this.#spelled.get(glob)
    if (!spelled) this.#spelled.set(glob, (spelled = compileGlob(glob).spelled))
    return spelled
  }
}

type Spelled = ReturnType<typeof compileGlob>['spelled']

const DIMENSIONS = ['path', 'url', 'source', 'name'] as const

/** A rule covers only rules that have one of these among their {@link coveredGlobs}. */
function coveringGlobs({ match: { written } }: Rule): string[] {
  const first = DIMENSIONS.find((dimension) => written[dimension] !== undefined)
  return first ? [written[first] ?? []].flat().map((glob) => `${first} ${glob}`) : ['']
}

/** The globs that cover the first glob of each kind, by {@link globCovers}. */
function* coveredGlobs({ match: { written } }: Rule): Generator<string> {
  yield ''
  for (const dimension of DIMENSIONS) {
    const [glob] = [written[dimension] ?? []].flat()
    if (glob === undefined) continue
    yield `${dimension} ${glob}`
    if (glob !== '**') yield `${dimension} **`
    for (let slash = glob.indexOf('/'); slash >= 0; slash = glob.indexOf('/', slash + 1)) {
      const above: string = `${glob.slice(0, slash + 1)}**`
      if (above !== glob) yield `${dimension} ${above}`
    }
  }
}

/** False only if the text shows that no model matches both. */
function mayMeet(a: Rule, b: Rule, globsMeet: (x: string, y: string) => boolean): boolean {
  const sameDirectory = dirname(a.file) === dirname(b.file)
  if (a.match.memory || b.match.memory) return false
  return (
    (!a.match.formats || (b.match.formats?.some((format) => a.match.formats?.includes(format)) ?? true)) &&
    someGlobs(a.match.written.url, b.match.written.url, globsMeet) &&
    someGlobs(a.match.written.source, b.match.written.source, globsMeet) &&
    someGlobs(
      a.match.written.path,
      b.match.written.path,
      (x, y) => (!sameDirectory && !x.startsWith('/')) || pathGlobsMeet(x, y, globsMeet),
    )
  )
}

function someGlobs(a: Globs, b: Globs, meet: (x: string, y: string) => boolean): boolean {
  return a === undefined || b === undefined || [a].flat().some((x) => [b].flat().some((y) => meet(x, y)))
}

function pathGlobsMeet(a: string, b: string, globsMeet: (x: string, y: string) => boolean): boolean {
  return a.startsWith('/') !== b.startsWith('/') || globsMeet(a.replace(/^\.\//, ''), b.replace(/^\.\//, ''))
}

/** Up to the first wildcard in either, the literal components must be equal. */
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
    everyGlob(a.source, b.source, globCovers) &&
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
