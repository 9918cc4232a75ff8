import { relative, sep } from 'node:path'
import { ModelSealError, shown } from '../../errors.ts'
import type { ModelFormat } from '../../results.ts'
import { anyOf, compileGlob } from './glob.ts'
import { modelUrl } from './model-url.ts'
import type { MatchText } from '../schema/match.ts'

/** The name that a bundle claims for its model; none where the bundle cannot be read. */
export interface ClaimedName {
  /** Path of the bundle. */
  path: string
  name?: string
}

/** A loader that takes several formats, and learns from the model which of them it is. */
export interface PossibleFormats {
  /** By the word of the program: it will load one of these, and nothing else. */
  oneOf: readonly ModelFormat[]
  /**
   * What the model says of itself, before anything is verified. Asked only where rules differ by it; the claim can
   * then pick among rules, and whichever it picks is enforced.
   */
  claimed: () => Promise<ModelFormat | undefined>
}

/** What is known of a model before any signature is checked: all of it the program's word, except for the claims. */
export class ModelFacts {
  /** Absolute path that the program loads; undefined for a model behind HTTP, which no path matches. */
  readonly path: string | undefined
  /** URL that it was fetched from, where the caller says so: as {@link modelUrl} has it. */
  readonly url: string | undefined
  /** By the word of the program, one of these will be loaded; empty where it says nothing. */
  readonly formats: readonly ModelFormat[]
  /** What the model claims: never a fact. */
  readonly claimedFormat: () => Promise<ModelFormat | undefined>
  readonly #claimedNames: () => Promise<readonly ClaimedName[]>
  #names: Promise<readonly ClaimedName[]> | undefined
  readonly #relative = new Map<string, string>()

  /**
   * @param claimedNames what each bundle claims, asked for only where a rule needs it
   * @throws {@link ModelSealError} `INVALID_ARGUMENT` for a URL that could be read in two ways
   */
  constructor(
    model: { path?: string | undefined; url?: string | undefined; format?: ModelFormat | PossibleFormats | undefined },
    claimedNames: () => Promise<readonly ClaimedName[]>,
  ) {
    this.path = model.path
    this.url = model.url === undefined ? undefined : modelUrl(model.url)
    const { format } = model
    this.formats = typeof format === 'object' ? format.oneOf : format === undefined ? [] : [format]
    this.claimedFormat = typeof format === 'object' ? format.claimed : () => Promise.resolve(undefined)
    this.#claimedNames = claimedNames
  }

  names(): Promise<readonly ClaimedName[]> {
    return (this.#names ??= this.#claimedNames())
  }

  /** Path or URL, for messages. */
  get place(): string {
    return this.path ?? this.url ?? ''
  }

  /** The path as globs see it that are written in this directory, or from the root. */
  pathFrom(directory: string | undefined): string | undefined {
    if (this.path === undefined || directory === undefined) return this.path
    let path = this.#relative.get(directory)
    if (path === undefined) {
      path = relative(directory, this.path).split(sep).join('/')
      this.#relative.set(directory, path)
    }
    return path
  }
}

/** The compiled `match` of a rule: all that it names must match. */
export interface RuleMatch {
  path?: readonly PathGlob[]
  url?: (url: string) => boolean
  name?: (name: string) => boolean
  formats?: readonly string[]
  /** Undefined for rules about models that have a place. */
  memory?: 'any' | readonly string[]
  /** As written. */
  written: MatchText
  /** True where every path matches, whatever else is asked for. */
  anyPath: boolean
}

interface PathGlob {
  /** The directory that the path is relative to; undefined for a glob from the root. */
  from: string | undefined
  matches: (path: string) => boolean
  /** As written, where nothing in it is a wildcard. */
  literal: string | undefined
}

/** @param directory of the policy file: absolute */
export function compileMatch(match: MatchText, directory: string): RuleMatch {
  const { path, url, name, format, memory } = match
  return {
    ...(path === undefined ? {} : { path: [path].flat().map((glob) => pathGlob(glob, directory)) }),
    ...(url === undefined ? {} : { url: anyOf(url) }),
    ...(name === undefined ? {} : { name: anyOf(name) }),
    ...(format === undefined || format === 'any' ? {} : { formats: [format].flat() }),
    ...(memory === undefined ? {} : { memory: memory === 'any' ? memory : [memory].flat() }),
    written: match,
    anyPath: path === undefined || [path].flat().some((glob) => glob === '**' || glob === '**/*'),
  }
}

/** A glob from the root sees the whole path; any other, the path relative to its policy file. */
function pathGlob(glob: string, directory: string): PathGlob {
  const { matches, spelled } = compileGlob(glob.replace(/^\.\//, ''))
  const [only, another] = spelled
  const literal = another || only?.includes(undefined) ? undefined : only?.join('/')
  return { from: glob.startsWith('/') ? undefined : directory, matches, literal }
}

/** The directory above a model that a rule names without `/**`, which covers nothing in it. */
export function directoryNamedAbove({ path }: RuleMatch, facts: ModelFacts): string | undefined {
  return path?.find(({ from, literal }) => literal !== undefined && facts.pathFrom(from)?.startsWith(`${literal}/`))
    ?.literal
}

/**
 * True where a rule is about this model, if it is of this format; a promise only where the model's name has to be found out.
 *
 * @throws {@link ModelSealError} `NAME_AMBIGUOUS`
 */
export function matchesModel(
  { name: rule, match }: { name: string; match: RuleMatch },
  facts: ModelFacts,
  format: ModelFormat | undefined,
): boolean | Promise<boolean> {
  if (match.memory) return false
  if (match.url && (facts.url === undefined || !match.url(facts.url))) return false
  if (match.formats && (format === undefined || !match.formats.includes(format))) return false
  const { path, name } = match
  if (path && !path.some((glob) => matchesPath(glob, facts.pathFrom(glob.from)))) return false
  return name ? claimsName(name, facts, rule) : true
}

function matchesPath({ matches }: PathGlob, path: string | undefined): boolean {
  return path !== undefined && matches(path)
}

/**
 * A name is claimed until a signature proves it. Whoever can put a file beside the model could
 * otherwise step over the rule: so where one bundle may claim the name, all must claim the same.
 */
async function claimsName(matches: (name: string) => boolean, facts: ModelFacts, rule: string): Promise<boolean> {
  const claimed = await facts.names()
  const unreadable = claimed.find(({ name }) => name === undefined)
  const names = [...new Set(claimed.flatMap(({ name }) => name ?? []))]
  const wanted = names.filter(matches)
  if (!unreadable && (wanted.length === 0 || names.length === 1)) return wanted.length > 0
  throw new ModelSealError(
    'NAME_AMBIGUOUS',
    `Whether the rule ${shown(rule)} is about the model ${shown(facts.place)} cannot be told: it goes by the name, and the bundles do not agree on one.`,
    {
      file: unreadable?.path ?? facts.place,
      expected: 'bundles that all claim one name',
      found: [...names.map(shown), ...(unreadable ? [`${shown(unreadable.path)}, which cannot be read`] : [])].join(
        ' and ',
      ),
      hint: 'Take away the bundle that is not of this model.',
    },
  )
}
