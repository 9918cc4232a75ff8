import { relative, sep } from 'node:path'
import { ModelSealError, shown } from '../../errors.ts'
import type { ModelFormat } from '../../results.ts'
import { anyOf, compileGlob } from './glob.ts'
import { packageScheme } from '../../source/schemes.ts'
import { modelUrl } from './model-url.ts'
import type { MatchText } from '../schema/match.ts'

/** The name that a bundle claims for its model; absent if the bundle cannot be read. */
export interface ClaimedName {
  /** Path of the bundle. */
  path: string
  name?: string
}

/** For a loader that accepts several formats and learns from the model which one it is. */
export interface PossibleFormats {
  /** The program promises to load one of these formats and nothing else. */
  oneOf: readonly ModelFormat[]
  /**
   * Reads the format that the model claims, before anything is verified. Called only if rules differ by format; the claim
   * then selects among them, and the selected rule is enforced.
   */
  claimed: () => Promise<ModelFormat | undefined>
}

/** What is known about a model before any signature is checked. All of it comes from the program, except for the claims. */
export class ModelFacts {
  /** Absolute path that the program loads; undefined for a model over HTTP, which no path matches. */
  readonly path: string | undefined
  /** URL that it was fetched from, if the caller gave one, as {@link modelUrl} normalizes it. */
  readonly url: string | undefined
  /** URL of the hub or registry that it is loaded from; undefined on this machine and over HTTP. */
  readonly source: string | undefined
  /** The program promises to load one of these; empty if it named none. */
  readonly formats: readonly ModelFormat[]
  /** What the model claims: never a fact. */
  readonly claimedFormat: () => Promise<ModelFormat | undefined>
  readonly #claimedNames: () => Promise<readonly ClaimedName[]>
  #names: Promise<readonly ClaimedName[]> | undefined
  readonly #relative = new Map<string, string>()

  /**
   * @param claimedNames reads what each bundle claims; called only if a rule needs it
   * @throws {@link ModelSealError} `INVALID_ARGUMENT` for a URL that could be read in two ways
   */
  constructor(
    model: {
      path?: string | undefined
      url?: string | undefined
      /** URL from which the load reads, unlike `url`, which the caller may state. */
      source?: string | undefined
      format?: ModelFormat | PossibleFormats | undefined
    },
    claimedNames: () => Promise<readonly ClaimedName[]>,
  ) {
    this.path = model.path
    this.url = model.url === undefined ? undefined : modelUrl(model.url)
    this.source = packageScheme(model.source) === undefined ? undefined : modelUrl(model.source)
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

  /** The path that globs are compared with: relative to the directory of their policy, or absolute without one. */
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

/** The compiled `match` of a rule: all its conditions must match. */
export interface RuleMatch {
  path?: readonly PathGlob[]
  url?: (url: string) => boolean
  source?: (url: string) => boolean
  name?: (name: string) => boolean
  formats?: readonly string[]
  /** Undefined for rules about models with a path or URL. */
  memory?: 'any' | readonly string[]
  /** As written. */
  written: MatchText
  /** True if every path matches, whatever the other conditions are. */
  anyPath: boolean
}

interface PathGlob {
  /** The directory that the path is relative to; undefined for a glob from the root. */
  from: string | undefined
  matches: (path: string) => boolean
  /** As written, if it has no wildcards. */
  literal: string | undefined
}

/** @param directory of the policy file: absolute */
export function compileMatch(match: MatchText, directory: string): RuleMatch {
  const { path, url, source, name, format, memory } = match
  return {
    ...(path === undefined ? {} : { path: [path].flat().map((glob) => pathGlob(glob, directory)) }),
    ...(url === undefined ? {} : { url: anyOf(url) }),
    ...(source === undefined ? {} : { source: anyOf(source) }),
    ...(name === undefined ? {} : { name: anyOf(name) }),
    ...(format === undefined || format === 'any' ? {} : { formats: [format].flat() }),
    ...(memory === undefined ? {} : { memory: memory === 'any' ? memory : [memory].flat() }),
    written: match,
    anyPath: path === undefined || [path].flat().some((glob) => glob === '**' || glob === '**/*'),
  }
}

/** An absolute glob is compared with the absolute path; any other, with the path relative to its policy file. */
function pathGlob(glob: string, directory: string): PathGlob {
  const { matches, spelled } = compileGlob(glob.replace(/^\.\//, ''))
  const [only, another] = spelled
  const literal = another || only?.includes(undefined) ? undefined : only?.join('/')
  return { from: glob.startsWith('/') ? undefined : directory, matches, literal }
}

/** The directory above a model that a rule names without `/**`, so that it matches nothing in it. */
export function directoryNamedAbove({ path }: RuleMatch, facts: ModelFacts): string | undefined {
  return path?.find(({ from, literal }) => literal !== undefined && facts.pathFrom(from)?.startsWith(`${literal}/`))
    ?.literal
}

/**
 * Whether a rule matches this model, assuming this format. A promise only if the name of the model has to be read.
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
  if (match.source && (facts.source === undefined || !match.source(facts.source))) return false
  if (match.formats && (format === undefined || !match.formats.includes(format))) return false
  const { path, name } = match
  if (path && !path.some((glob) => matchesPath(glob, facts.pathFrom(glob.from)))) return false
  return name ? claimsName(name, facts, rule) : true
}

function matchesPath({ matches }: PathGlob, path: string | undefined): boolean {
  return path !== undefined && matches(path)
}

/**
 * A name is only a claim until a signature proves it. Anyone who can put a file beside the model could
 * otherwise bypass the rule, so if any bundle may claim the name, all must claim the same one.
 */
async function claimsName(matches: (name: string) => boolean, facts: ModelFacts, rule: string): Promise<boolean> {
  const claimed = await facts.names()
  const unreadable = claimed.find(({ name }) => name === undefined)
  const names = [...new Set(claimed.flatMap(({ name }) => name ?? []))]
  const wanted = names.filter(matches)
  if (!unreadable && (wanted.length === 0 || names.length === 1)) return wanted.length > 0
  throw new ModelSealError(
    'NAME_AMBIGUOUS',
    `Cannot tell whether the rule ${shown(rule)} matches the model ${shown(facts.place)}: it matches by name, and the bundles do not agree on one.`,
    {
      file: unreadable?.path ?? facts.place,
      expected: 'bundles that all claim one name',
      found: [...names.map(shown), ...(unreadable ? [`${shown(unreadable.path)}, which cannot be read`] : [])].join(
        ' and ',
      ),
      hint: 'Remove the bundle that does not belong to this model.',
    },
  )
}
