import { ModelSealError, shown } from '../../errors.ts'
import type { Rule } from '../../policy/rule.ts'
import type { ISOLATION_LEVELS } from '../../policy/terms.ts'

/** How the runtime gets exactly the verified bytes. */
export type IsolationLevel = (typeof ISOLATION_LEVELS)[number]

/**
 * What a caller can request:
 * - `memory`: the runtime gets the buffers that were hashed;
 * - `copy`: it gets paths of copies in a private directory, which were hashed while copying;
 * - `in-place`: it gets paths to the very files that were hashed, which only root and this user can write to;
 * - `auto`: `memory` for small files, otherwise `in-place` if that is safe, otherwise `copy`.
 */
export type Isolation = IsolationLevel | 'auto'

/** Under `auto`, maximum total size of the buffers that a runtime gets: 64 MiB. */
export const AUTO_MEMORY_BYTES = 64 * 1024 * 1024

/** The beginning of a sentence. */
export const PLACE_HINT =
  'Set TMPDIR to a directory with enough room that belongs to this user and that others cannot write to (mode 0700)'

const PREFERRED: readonly IsolationLevel[] = ['memory', 'in-place', 'copy']

/** The levels that caller and rule both allow, preferred ones first. */
export class AllowedIsolation {
  readonly asked: Isolation
  readonly levels: readonly IsolationLevel[]
  readonly #rule: Rule

  /** @throws {@link ModelSealError} `ISOLATION_REFUSED` if none is left */
  constructor(asked: Isolation, rule: Rule) {
    this.asked = asked
    this.#rule = rule
    this.levels = PREFERRED.filter((level) => this.#ruleAllows(level) && (asked === 'auto' || asked === level))
    if (this.levels.length === 0) throw this.#refused(asked)
  }

  /** True if the rule allows copies, whatever the caller requests. */
  get copiesAllowed(): boolean {
    return this.#ruleAllows('copy')
  }

  /** True if files of this total size should reach the runtime as buffers. */
  inMemory(bytes: number): boolean {
    if (!this.levels.includes('memory')) return false
    return bytes <= AUTO_MEMORY_BYTES || this.levels.length === 1
  }

  /**
   * True if files of this total size may reach the runtime as buffers instead of paths, because there is no place for
   * files. False if the rule or the caller excludes memory, or this process cannot have that much.
   */
  inMemoryInstead(bytes: number): boolean {
    return this.levels.includes('memory') && bytes <= process.availableMemory()
  }

  /**
   * The hint if there is no private place for files, as a sentence.
   *
   * @param remedy the beginning of the sentence
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
   * Bytes that are read into memory are the hashed ones, whatever the caller requested, so only the rule can refuse.
   *
   * @throws {@link ModelSealError} `ISOLATION_REFUSED`
   */
  checkReading(): void {
    if (!this.#ruleAllows('memory')) throw this.#refused('memory')
  }

  /**
   * @param as the only level at which the runtime can load these files, if there is only one
   * @throws {@link ModelSealError} `ISOLATION_REFUSED` if no path, or no path of that level, may be handed out
   */
  checkPlacing(as?: 'copy'): void {
    if (this.levels.some((level) => (as === undefined ? level !== 'memory' : level === as))) return
    if (this.asked !== 'memory') throw this.#notPlaced(as)
    throw new ModelSealError('ISOLATION_REFUSED', 'Cannot load the files by path: the isolation is "memory".', {
      hint: 'Use the isolation "auto", "in-place" or "copy".',
    })
  }

  #notPlaced(as: 'copy' | undefined): ModelSealError {
    if (as === undefined || !this.#ruleAllows(as)) return this.#refused(as ?? 'in-place or copy')
    return new ModelSealError('ISOLATION_REFUSED', 'Cannot load the files: the runtime can load them only as copies.', {
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
      `Cannot load the model: the rule ${shown(name)} does not allow this isolation.`,
      {
        expected: require.isolation?.join(' or '),
        found,
        hint: `Allow ${found} in "require.isolation", or load the model with another isolation.`,
      },
    )
  }
}
