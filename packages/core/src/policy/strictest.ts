import { isWithin } from '../manifest/names.ts'
import { withoutPrototype } from '../snapshot.ts'
import { before, type Duration } from './duration.ts'
import type { Requirements, Rule } from './rule.ts'
import { ISOLATION_LEVELS } from './terms.ts'

/**
 * One rule that asks of the files of a model what several rules ask together. What they ask of signatures, each has been
 * asked by itself.
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
  // Field by field: what is not named here is not allowed by one rule for the other.
  const require: Requirements = {
    transparencyLog: false,
    timestamp: false,
    files: commonFiles(requirements),
    ...(unsigned ? { unsigned } : {}),
    ...(isolation ? { isolation } : {}),
    ...(receipts ? { receipts } : {}),
  }
  return { ...first, name: rules.map(({ name }) => name).join(' and '), require: withoutPrototype(require) }
}

/** One that does not hash everything, and one that takes no unsigned file, together ask for both. */
function commonFiles(requirements: readonly Requirements[]): Requirements['files'] {
  const [first = 'all', ...others] = requirements.map(({ files }) => files)
  return others.every((files) => files === first) ? first : 'all'
}

/** What all of them let lie in the model unsigned. */
function commonUnsigned(requirements: readonly Requirements[]): Requirements['unsigned'] {
  if (requirements.some(({ files, unsigned }) => files !== 'ignore-unsigned' && !unsigned)) return undefined
  return (name) =>
    requirements.every(({ files, unsigned }) => files === 'ignore-unsigned' || (unsigned && isWithin(name, unsigned)))
}

function commonIsolation(requirements: readonly Requirements[]): readonly string[] | undefined {
  const limited = requirements.flatMap(({ isolation }) => (isolation ? [isolation] : []))
  if (limited.length === 0) return undefined
  return ISOLATION_LEVELS.filter((level) => limited.every((levels) => levels.includes(level)))
}

function commonReceipts(requirements: readonly Requirements[]): { maxAge: Duration } | undefined {
  const allowed = requirements.map(({ receipts }) => receipts)
  return allowed.reduce((one, other) => {
    if (!one || !other) return undefined
    const now = Date.now()
    return before(now, one.maxAge) > before(now, other.maxAge) ? one : other
  })
}
