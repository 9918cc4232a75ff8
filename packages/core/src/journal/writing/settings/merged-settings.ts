import { isDeepStrictEqual } from 'node:util'
import { shown, type ModelSealError } from '../../../errors.ts'
import { VARIABLE } from '../../enabled.ts'
import { invalidJournal } from '../failures.ts'
import type { JournalSettings } from './settings.ts'

/** What all settings of one journal amount to. Whether a load is refused that cannot be recorded is a matter of each. */
export interface WriterSettings extends Omit<JournalSettings, 'place' | 'required' | 'checkpoints' | 'retention'> {
  /** In milliseconds, `Infinity` for ever; undefined if no setting says anything of it. */
  readonly retention: number | undefined
  /** All of them are written. */
  readonly checkpoints: readonly NonNullable<JournalSettings['checkpoints']>[]
}

/** Of these, one journal has one. If nobody names it, there is a default. */
const SINGLE = ['key', 'service', 'host'] as const

/**
 * The settings of one journal, which policies, the program and the environment may name together. The strictest count, whenever they come. Where
 * there is no strictest, they may not contradict each other: the first count, and the others are in the wrong.
 */
export class MergedSettings {
  readonly #directory: string
  readonly #all = new Map<string, JournalSettings>()
  #merged: WriterSettings
  #contradictions = new Map<string, ModelSealError>()

  /** @param directory without links */
  constructor(directory: string, first: JournalSettings) {
    this.#directory = directory
    this.#all.set(idOf(first), first)
    this.#merged = this.#merge()
  }

  get merged(): WriterSettings {
    return this.#merged
  }

  get contradictions(): Iterable<ModelSealError> {
    return this.#contradictions.values()
  }

  /** @returns `JOURNAL_INVALID` if these settings contradict those that count */
  contradictionOf(settings: JournalSettings): ModelSealError | undefined {
    return this.#contradictions.get(idOf(settings))
  }

  /** @returns whether they were not known yet */
  add(settings: JournalSettings): boolean {
    const id = idOf(settings)
    if (isDeepStrictEqual(this.#all.get(id), settings)) return false
    this.#all.set(id, settings)
    this.#merged = this.#merge()
    return true
  }

  #merge(): WriterSettings {
    const all = [...this.#all.values()]
    this.#contradictions = this.#contradictionsAmong(all)
    const named = (field: (typeof SINGLE)[number]) => all.find((one) => one[field] !== undefined)?.[field]
    return {
      directory: this.#directory,
      durability: all.some(({ durability }) => durability === 'each') ? 'each' : 'interval',
      paths: all.some(({ paths }) => paths === 'short') ? 'short' : 'full',
      retention: longestRetention(all),
      collected: all.some(({ collected }) => collected),
      checkpoints: distinct(all.flatMap(({ checkpoints }) => checkpoints ?? [])),
      key: named('key'),
      service: named('service'),
      host: named('host'),
    }
  }

  #contradictionsAmong(all: readonly JournalSettings[]): Map<string, ModelSealError> {
    const contradictions = new Map<string, ModelSealError>()
    for (const field of SINGLE) {
      const [first, ...others] = all.filter((one) => one[field] !== undefined)
      for (const other of others)
        if (first && other[field] !== first[field])
          contradictions.set(idOf(other), contradiction(this.#directory, field, [first, other]))
    }
    return contradictions
  }
}

function idOf({ place, directory }: JournalSettings): string {
  return `${place}\n${directory}`
}

/** `Infinity` if someone names none, who wants records for ever; undefined if only the environment variable does, which cannot name any. */
function longestRetention(all: readonly JournalSettings[]): number | undefined {
  const named = all.filter(({ place }) => place !== VARIABLE)
  return named.length === 0 ? undefined : Math.max(...named.map(({ retention = Infinity }) => retention))
}

function distinct<T>(values: readonly T[]): T[] {
  return values.filter((value, index) => values.findIndex((other) => isDeepStrictEqual(other, value)) === index)
}

function contradiction(
  directory: string,
  field: (typeof SINGLE)[number],
  [first, other]: readonly [JournalSettings, JournalSettings],
): ModelSealError {
  const [expected, found] = [first, other].map((one) => `${shown(one[field] ?? '')} by ${shown(one.place)}`) as [
    string,
    string,
  ]
  return invalidJournal(directory, `its settings contradict each other about the ${field}`, {
    expected,
    found,
    hint: `Name the same ${field} in both, or another directory. Until then, records are written with the first.`,
  })
}
