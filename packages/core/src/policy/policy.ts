import { dirname } from 'node:path'
import { isMarked } from '../any-realm.ts'
import { ModelSealError, shown } from '../errors.ts'
import { withoutPrototype } from '../snapshot.ts'
import { before, parseDuration } from './schema/duration.ts'
import type { FileStates } from './reading/file-state.ts'
import type { ModelFormat } from '../results.ts'
import { directoryNamedAbove, matchesModel, type ModelFacts } from './matching/match.ts'
import type { Rule } from './rule.ts'
import type { PolicyFacts } from './policy-facts.ts'

/**
 * A trust policy that `loadPolicy()` has read, checked and compiled. Only `loadPolicy()` and `watchPolicy()` make one. Reuse it for any
 * number of loads: it does not change.
 */
export declare class Policy {
  private constructor()
  readonly #compiled: true
  /** Absolute path of the file. */
  readonly path: string
}

/** What a {@link Policy} has in it. */
export interface CompiledPolicy extends Policy, PolicyFacts {
  /** In the order in which they count. */
  rules: readonly Rule[]
  /** For each file that states `maxAge`. */
  ages: readonly PolicyAge[]
  /** All files that it was read from. */
  files: FileStates
}

/**
 * Tells policies of all copies of this package, ESM and CommonJS, from objects that were made otherwise. The number changes with
 * {@link CompiledPolicy}, so that different versions of this package do not misunderstand each other.
 */
const MARK = Symbol.for('modelseal.policy.1')

/** For `compilePolicy()` alone. */
export function asPolicy(parts: Pick<CompiledPolicy, keyof CompiledPolicy>): CompiledPolicy {
  // Not enumerable: a copy of a policy, which may have been changed, is not one.
  return Object.defineProperty(withoutPrototype(parts), MARK, { value: true }) as unknown as CompiledPolicy
}

export function isPolicy(value: unknown): value is CompiledPolicy {
  return isMarked(value, MARK)
}

interface PolicyAge {
  path: string
  issued: string
  maxAge: string
}

/**
 * The first rule that matches the model decides.
 *
 * @param format that will be loaded, by the word of the program
 * @returns undefined where no rule matches
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

/** @param note what else the reader should know, as a sentence */
export function noMatch(policy: CompiledPolicy, facts: ModelFacts, note?: string): ModelSealError {
  const path = facts.pathFrom(dirname(policy.path))
  const seen =
    path === undefined
      ? 'Rules match a model behind HTTP by its url, its name or its format, and never by a path.'
      : `As the policy sees it, the path is ${shown(path)}.`
  const above = policy.rules.map(({ match }) => directoryNamedAbove(match, facts)).find(Boolean)
  return new ModelSealError(
    'POLICY_NO_MATCH',
    `No rule of the policy ${shown(policy.path)} matches the model ${shown(facts.place)}.`,
    {
      file: facts.place,
      expected: 'a rule whose match covers it',
      found: policy.rules.length === 1 ? '1 rule that does not' : `${policy.rules.length} rules that do not`,
      hint:
        above === undefined
          ? [seen, note].filter(Boolean).join(' ')
          : `${seen} A rule names the directory ${shown(above)} alone; ${shown(`${above}/**`)} is all that is in it.`,
    },
  )
}

/** Clocks of one organisation agree better than this. */
const CLOCK_SKEW = 24 * 3_600_000

/**
 * A policy that may not grow old accepts nothing when it has.
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
        ? `The policy ${shown(path)} says that it will be issued in the future, so its age is not known.`
        : `The policy ${shown(path)} is older than it allows itself to be, so revocations may be missing.`,
      {
        file: path,
        expected: `a policy issued in the last ${maxAge}`,
        found: `one issued at ${issued}`,
        hint: future
          ? 'Check the clock of this machine, and "issued".'
          : 'Fetch the present policy from whoever writes it.',
      },
    )
  }
}
