import { dirname } from 'node:path'
import { isArray, propertyOf } from '../any-realm.ts'
import { ModelSealError, shown } from '../errors.ts'
import { withoutPrototype } from '../snapshot.ts'
import { before, parseDuration } from './schema/duration.ts'
import type { FileStates } from './reading/file-state.ts'
import type { ModelFormat } from '../results.ts'
import { directoryNamedAbove, matchesModel, type ModelFacts } from './matching/match.ts'
import type { Rule } from './rule.ts'
import type { PolicyFacts } from './policy-facts.ts'

declare const compiled: unique symbol

/** A trust policy that was read, checked and compiled. Reuse it: it does not change. */
export interface Policy {
  /** Absolute path of the file. */
  path: string
  /** Only `loadPolicy()` and `watchPolicy()` make policies. */
  readonly [compiled]: true
  /** @internal In the order in which they count. */
  rules: readonly Rule[]
  /** @internal For each file that states `maxAge`. */
  ages: readonly PolicyAge[]
  /** @internal All files that it was read from. */
  files: FileStates
  /** @internal */
  readonly roots: PolicyFacts['roots']
  /** @internal */
  readonly timestampAuthorities: PolicyFacts['timestampAuthorities']
  /** @internal */
  readonly revocations: PolicyFacts['revocations']
}

/** Makes a policy of its parts. */
export function policyOf(parts: Omit<Policy, typeof compiled>): Policy {
  return withoutPrototype(parts) as Policy
}

/** Known by what it has: another copy of this package, ESM or CommonJS, may have made it. */
export function isPolicy(value: unknown): value is Policy {
  if (typeof value !== 'object' || value === null) return false
  const has = (name: keyof Policy) => propertyOf(value, name)
  const objects = [has('roots'), has('revocations'), has('files')]
  const lists = [has('rules'), has('ages'), has('timestampAuthorities')]
  return (
    typeof has('path') === 'string' &&
    objects.every((one) => typeof one === 'object' && one !== null) &&
    lists.every((one) => isArray(one))
  )
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
  { rules }: Policy,
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
export function noMatch(policy: Policy, facts: ModelFacts, note?: string): ModelSealError {
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
export function checkFresh(policy: Policy, now: number): void {
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
