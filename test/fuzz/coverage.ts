import { registerHooks, stripTypeScriptTypes } from 'node:module'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { createInstrumenter } from 'istanbul-lib-instrument'

/** The counters that Istanbul leaves in the global object, by file: of branches and of functions. */
type Counters = Record<string, { b: Record<string, number[]>; f: Counted }>
type Counted = Record<string, number>

/** A place in the code, and how often it was passed by an input, as bits of buckets. */
interface Place {
  readonly counters: Counted
  readonly key: string
  seen: number
}

const COUNTERS = '__fuzzCoverage__'
/** How often a place was passed, by powers of two, as other fuzzers count: more often is news, once more is not. */
const BUCKETS = 8

/** The sources of the packages, and the target of the test of all this. */
const COUNTED = /\/(?:packages\/[^/]+\/src|test\/fuzz\/fixtures)\/.*\.ts$/

const words = new Set<string>()

/** From here on, modules that are loaded count what they execute. */
export function countCoverage(): void {
  const instrumenter = createInstrumenter({ esModules: true, coverageVariable: COUNTERS, compact: true })
  registerHooks({
    resolve(specifier, context, nextResolve) {
      const entry = sourceOf(specifier)
      return entry === undefined ? nextResolve(specifier, context) : { url: entry, shortCircuit: true }
    },
    load(url, context, nextLoad) {
      if (!COUNTED.test(url)) return nextLoad(url, context)
      const path = fileURLToPath(url)
      const source = stripTypeScriptTypes(readFileSync(path, 'utf8'))
      for (const [, word = ''] of source.matchAll(/'((?:[^'\\\n]|\\.)+)'/g)) if (word.length <= 40) words.add(word)
      return { format: 'module', source: instrumenter.instrumentSync(source, path), shortCircuit: true }
    },
  })
}

/** Other packages import the core as it was built, which does not count. Its small entry points come from the source. */
function sourceOf(specifier: string): string | undefined {
  const [, name] = /^@modelseal\/core\/(errors|formats|http|journal)$/.exec(specifier) ?? []
  return name === undefined ? undefined : new URL(`../../packages/core/src/entries/${name}.ts`, import.meta.url).href
}

/** The string literals of the modules that count. */
export function wordsOfSource(): string[] {
  return [...words]
}

/** What was executed so far by any input. */
export class Coverage {
  #places: Place[] = []
  #files = 0
  /** How many buckets of places have been reached. */
  reached = 0

  /** Forgets what was executed since the last call. */
  begin(): void {
    for (const { counters, key } of this.#places) counters[key] = 0
  }

  /** Whether anything was executed since {@link begin} that no input before had executed, or not as often. */
  isNew(): boolean {
    this.#addFiles()
    let news = false
    for (const place of this.#places) {
      const count = place.counters[place.key] ?? 0
      const bit = count === 0 ? 0 : 1 << Math.min(BUCKETS - 1, 31 - Math.clz32(count))
      if ((bit & ~place.seen) === 0) continue
      place.seen |= bit
      this.reached += 1
      news = true
    }
    return news
  }

  /** Modules may be loaded while an input is tried. */
  #addFiles(): void {
    const files = Object.values((globalThis as { [COUNTERS]?: Counters })[COUNTERS] ?? {})
    for (; this.#files < files.length; this.#files += 1) {
      const { b: branches, f: functions } = files[this.#files] as Counters[string]
      for (const counters of [functions, ...Object.values(branches)]) {
        for (const key of Object.keys(counters)) this.#places.push({ counters: counters as Counted, key, seen: 0 })
      }
    }
  }
}
