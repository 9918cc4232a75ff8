import { isWithin } from '../../manifest/names.ts'
import { withoutPrototype } from '../../snapshot.ts'
import { before, type Duration } from '../schema/duration.ts'
import type { FileRequirements } from './files.ts'
import type { Rule } from '../rule.ts'
import { ISOLATION_LEVELS } from '../terms.ts'

/**
 * Combines what several rules require of the files of a model into one rule. What they require of signatures has been checked for
 * each of them.
 *
 * @param rules at least one
 */
export function strictest(rules: readonly [Rule, ...Rule[]]): Rule {
  const [first, ...others] = rules
  if (others.length === 0) return first
  const requirements = rules.map(({ require }) => require)
  const isolation = commonIsolation(requirements)
  const receipts = commonReceipts(requirements)
  const unsigned = commonUnsigned(requirements)
  // Field by field, so that only what all the rules allow is allowed.
  const require: FileRequirements = {
    files: commonFiles(requirements),
    ...(unsigned ? { unsigned } : {}),
    ...(isolation ? { isolation } : {}),
    ...(receipts ? { receipts } : {}),
  }
  return {
    ...first,
    name: rules.map(({ name }) => name).join(' and '),
    demands: [],
    require: withoutPrototype(require),
  }
}

/** `loaded` and `ignore-unsigned` each allow something that the other does not, so together they require `all`. */
function commonFiles(requirements: readonly FileRequirements[]): FileRequirements['files'] {
  const [first = 'all', ...others] = requirements.map(({ files }) => files)
  return others.every((files) => files === first) ? first : 'all'
}

/** Matches the names that all the rules allow to be unsigned. */
function commonUnsigned(requirements: readonly FileRequirements[]): FileRequirements['unsigned'] {
  if (requirements.some(({ files, unsigned }) => files !== 'ignore-unsigned' && !unsigned)) return undefined
  return (name) =>
    requirements.every(({ files, unsigned }) => files === 'ignore-unsigned' || (unsigned && isWithin(name, unsigned)))
}

function commonIsolation(requirements: readonly FileRequirements[]): readonly string[] | undefined {
  const limited = requirements.flatMap(({ isolation }) => (isolation ? [isolation] : []))
  if (limited.length === 0) return undefined
  return ISOLATION_LEVELS.filter((level) => limited.every((levels) => levels.includes(level)))
}

function commonReceipts(requirements: readonly FileRequirements[]): { maxAge: Duration } | undefined {
  const allowed = requirements.map(({ receipts }) => receipts)
  return allowed.reduce((one, other) => {
    if (!one || !other) return undefined
    const now = Date.now()
    return before(now, one.maxAge) > before(now, other.maxAge) ? one : other
  })
}
