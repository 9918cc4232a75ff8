import { ModelSealError, shown } from '../../errors.ts'
import type { Rule } from '../../policy/rule.ts'
import type { ISOLATION_LEVELS } from '../../policy/terms.ts'

/** How verified bytes are made the loaded bytes. */
export type IsolationLevel = (typeof ISOLATION_LEVELS)[number]

/**
 * What a caller asks for:
 * - `memory`: the runtime gets the buffers that were hashed;
 * - `copy`: it gets paths of copies that were hashed as they were made, in a private directory;
 * - `in-place`: it gets paths that lead to the very files that were hashed, and that nobody but root
 *   and this user can write to;
 * - `auto`: `memory` for little, else `in-place` where that is safe, else `copy`.
 */
export type Isolation = IsolationLevel | 'auto'

/** Under `auto`, what a runtime gets as buffers is at most this long in all: 64 MiB. */
export const AUTO_MEMORY_BYTES = 64 * 1024 * 1024

/** The beginning of a sentence. */
export const PLACE_HINT =
  'Set TMPDIR to a directory with enough room that belongs to this user and that others cannot write to (mode 0700)'

const PREFERRED = ['memory', 'in-place', 'copy'] as const satisfies readonly IsolationLevel[]

/** The levels that caller and rule both allow, the preferred ones first. */
export class AllowedIsolation {
  readonly asked: Isolation
  readonly levels: readonly IsolationLevel[]
  readonly #rule: Rule

  /** @throws {@link ModelSealError} `ISOLATION_REFUSED` where none is left */
  constructor(asked: Isolation, rule: Rule) {
    this.asked = asked
    this.#rule = rule
    this.levels = PREFERRED.filter((level) => this.#ruleAllows(level) && (asked === 'auto' || asked === level))
    if (this.levels.length === 0) throw this.#refused(asked)
  }

  /** True where the rule allows copies, whatever the caller asks for. */
  get copiesAllowed(): boolean {
    return this.#ruleAllows('copy')
  }

  /** True where files of so many bytes in all are to reach the runtime as buffers. */
  inMemory(bytes: number): boolean {
    if (!this.levels.includes('memory')) return false
    return bytes <= AUTO_MEMORY_BYTES || this.levels.length === 1
  }

  /**
   * True where files of so many bytes in all may reach the runtime as buffers although it was to get paths, because there
   * is no place for these: never where the rule or the caller excludes that, nor beyond what this process can have.
   */
  inMemoryInstead(bytes: number): boolean {
    return this.levels.includes('memory') && bytes <= process.availableMemory()
  }

  /**
   * What helps where there is no private place for files: a sentence.
   *
   * @param remedy its beginning
   */
  placeHint(remedy = PLACE_HINT): string {
    const other = this.#ruleAllows('memory')
      ? this.asked === 'auto'
        ? ''
        : ', or use the isolation "auto" or "memory" if the runtime accepts buffers'
      : `, or allow "memory" in "require.isolation" of the rule ${shown(this.#rule.name)} if the runtime accepts buffers`
    return `${remedy}${other}.`
  }

  /**
   * What is read into memory is what was hashed, whatever the caller asked for; only the rule may mind.
   *
   * @throws {@link ModelSealError} `ISOLATION_REFUSED`
   */
  checkReading(): void {
    if (!this.#ruleAllows('memory')) throw this.#refused('memory')
  }

  /**
   * @param as the only level that the runtime can load these files under, where there is one
   * @throws {@link ModelSealError} `ISOLATION_REFUSED` where no path may be handed out, or not such a one
   */
  checkPlacing(as?: 'copy'): void {
    if (this.levels.some((level) => (as === undefined ? level !== 'memory' : level === as))) return
    if (this.asked !== 'memory') throw this.#notPlaced(as)
    throw new ModelSealError(
      'ISOLATION_REFUSED',
      'Under the isolation "memory", no file has a path to be loaded from.',
      {
        hint: 'Use the isolation "auto", "in-place" or "copy".',
      },
    )
  }

  #notPlaced(as: 'copy' | undefined): ModelSealError {
    if (as === undefined || !this.#ruleAllows(as)) return this.#refused(as ?? 'in-place or copy')
    return new ModelSealError('ISOLATION_REFUSED', 'The runtime can load these files as copies only.', {
      expected: 'the isolation "copy"',
      found: shown(this.asked),
      hint: 'Use the isolation "auto" or "copy".',
    })
  }

  #ruleAllows(level: IsolationLevel): boolean {
    const { isolation } = this.#rule.require
    return isolation?.includes(level) ?? true
  }

  #refused(found: string): ModelSealError {
    const { name, require } = this.#rule
    return new ModelSealError(
      'ISOLATION_REFUSED',
      `The rule ${shown(name)} does not allow the way in which this model is loaded.`,
      {
        expected: require.isolation?.join(' or '),
        found,
        hint: `Allow ${found} in "require.isolation", or load the model in another way.`,
      },
    )
  }
}
