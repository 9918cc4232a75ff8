import { dirname } from 'node:path'
import { isMarked, kindOf } from '../any-realm.ts'
import { ModelSealError, shown } from '../errors.ts'
import { withoutPrototype } from '../snapshot.ts'
import type { JournalSettings } from '../journal/writing/settings/settings.ts'
import type { FollowedFeed } from './advisories/followed-feed.ts'
import { before, parseDuration } from './schema/duration.ts'
import type { FileStates } from './reading/file-state.ts'
import type { PolicyDigests } from './reading/reading.ts'
import type { ModelFormat } from '../results.ts'
import { directoryNamedAbove, matchesModel, type ModelFacts } from './matching/match.ts'
import type { Rule } from './rule.ts'
import type { PolicyFacts } from './policy-facts.ts'
import type { Revocations } from './revocations/revocations.ts'

/**
 * A trust policy that was read, checked and compiled. Only `loadPolicy()` and `watchPolicy()` create one. It never changes, so
 * reuse it for any number of loads.
 */
export declare class Policy {
  private constructor()
  readonly #compiled: true
  /** Absolute path of the file. */
  readonly path: string
}

/** The content of a {@link Policy}. */
export interface CompiledPolicy extends Policy, PolicyFacts {
  /** In the order in which they are tried. */
  rules: readonly Rule[]
  /** Those of all files. */
  advisories: readonly FollowedFeed[]
  /** One for each file with `maxAge`. */
  ages: readonly PolicyAge[]
  /** All files that it was read from. */
  files: FileStates
  /** SHA-256 of its file and of those that it includes. */
  texts: { file: string; includes: readonly string[] }
  /** Where its loads are recorded: the journals of all files. */
  journals: readonly JournalSettings[]
  /** Undefined if it was read for one load. */
  digests: PolicyDigests | undefined
}

/**
 * Marks policies from all copies of this package, ESM and CommonJS. Change the number with {@link CompiledPolicy}, so that
 * different versions of this package do not misread each other's policies.
 */
const MARK = Symbol.for('modelseal.policy.4')

/** Only for `compilePolicy()`, and {@link withRevocations}. */
export function asPolicy(parts: Pick<CompiledPolicy, keyof CompiledPolicy>): CompiledPolicy {
  // Not enumerable: a copy, which may have been changed, must not count as a policy.
  return Object.defineProperty(withoutPrototype(parts), MARK, { value: true }) as unknown as CompiledPolicy
}

/** The same policy with other revocations, for one load. */
export function withRevocations(policy: CompiledPolicy, revocations: Revocations): CompiledPolicy {
  return asPolicy({ ...policy, revocations })
}

export function isPolicy(value: unknown): value is CompiledPolicy {
  return isMarked(value, MARK)
}

/**
 * The digests of a policy, with and without the files that it names, to tell whether two decisions were made by the same policy.
 *
 * @param policy what `loadPolicy()` returned; for a watched policy, what `current()` returns
 * @throws {@link ModelSealError} `INVALID_ARGUMENT` if it is not a policy
 * @example
 * ```ts
 * const { files } = policyDigests(await loadPolicy('trust-policy.yaml'))
 * console.log(`judged by ${files}`)
 * ```
 */
export function policyDigests(policy: Policy): PolicyDigests {
  const digests = isPolicy(policy) ? policy.digests : undefined
  if (digests) return { ...digests }
  throw new ModelSealError('INVALID_ARGUMENT', 'Invalid first argument: it is not a policy.', {
    expected: 'what loadPolicy() returned',
    found: kindOf(policy),
  })
}

interface PolicyAge {
  path: string
  issued: string
  maxAge: string
}

/**
 * The first rule that matches the model.
 *
 * @param format that the program promises to load
 * @returns undefined if no rule matches
 * @throws {@link ModelSealError} `NAME_AMBIGUOUS`
 */
export async function firstMatch(
  { rules }: CompiledPolicy,
  facts: ModelFacts,
  format: ModelFormat | undefined,
): Promise<Rule | undefined> {
  for (const rule of rules) {
    const matches = matchesModel(rule, facts, format)
    if (matches === true || (matches !== false && (await matches))) return rule
  }
  return undefined
}

/** @param note a further sentence for the hint */
export function noMatch(policy: CompiledPolicy, facts: ModelFacts, note?: string): ModelSealError {
  const seen = comparedPlace(policy, facts)
  const above = policy.rules.map(({ match }) => directoryNamedAbove(match, facts)).find(Boolean)
  return new ModelSealError(
    'POLICY_NO_MATCH',
    `No rule of the policy ${shown(policy.path)} matches the model ${shown(facts.place)}.`,
    {
      file: facts.place,
      expected: 'a rule whose "match" covers it',
      found: policy.rules.length === 1 ? '1 rule that does not' : `${policy.rules.length} rules that do not`,
      hint:
        above === undefined
          ? [seen, note ?? ruleOfFormat(policy, facts)].filter(Boolean).join(' ')
          : `${seen} A rule matches only the directory ${shown(above)}; write ${shown(`${above}/**`)} for everything in it.`,
    },
  )
}

/** A rule that would match if the program loaded another format. */
function ruleOfFormat({ rules }: CompiledPolicy, facts: ModelFacts): string | undefined {
  for (const rule of rules) {
    const { formats = [] } = rule.match
    const others = formats.filter((format) => matchesModel(rule, facts, format) === true)
    if (others.length === 0) continue
    const loads =
      facts.formats.length === 0 ? 'no format was stated' : `the program loads ${facts.formats.join(' or ')}`
    const how =
      facts.formats.length === 0
        ? ' Use the option "format" (on the command line, --format) to state what is loaded.'
        : ''
    return `The rule ${shown(rule.name)} is only for the format ${others.join(' or ')}, and ${loads}.${how}`
  }
  return undefined
}

/** The texts that rules were compared with, so that the reader can write one that matches. */
function comparedPlace(policy: CompiledPolicy, facts: ModelFacts): string {
  const { source, url } = facts
  const path = facts.pathFrom(dirname(policy.path))
  const stated = url === undefined || url === source ? '' : ` Its url is ${shown(url)}.`
  if (path !== undefined) return `Relative to the policy, the path is ${shown(path)}.${stated}`
  if (source === undefined)
    return `Rules can match its url, which is ${shown(url ?? '')}, its name or its format, but not a path.`
  const compared = stated === '' ? 'source and url, which are' : 'source, which is'
  return `Rules can match its ${compared} ${shown(source)}${/^(?:hf|oci):/.test(source) ? ' (always without revision, tag and folder)' : ''}, its name or its format, but not a path.${stated}`
}

/** Clocks within an organisation differ by less. */
const CLOCK_SKEW = 24 * 3_600_000

/**
 * Refuses a policy that is older than its own `maxAge`.
 *
 * @param now milliseconds since 1970
 * @throws {@link ModelSealError} `POLICY_STALE`
 */
export function checkFresh(policy: CompiledPolicy, now: number): void {
  for (const { path, issued, maxAge } of policy.ages) {
    const duration = parseDuration(maxAge)
    const time = Date.parse(issued)
    if (duration && time >= before(now, duration) && time <= now + CLOCK_SKEW) continue
    const future = time > now
    throw new ModelSealError(
      'POLICY_STALE',
      future
        ? `The policy ${shown(path)} has an "issued" time in the future, so its age is not known.`
        : `The policy ${shown(path)} is older than its "maxAge", so revocations may be missing.`,
      {
        file: path,
        expected: `a policy issued in the last ${maxAge}`,
        found: `one issued at ${issued}`,
        hint: future ? 'Check the clock of this machine, and "issued".' : 'Get the current policy from its author.',
      },
    )
  }
}
