import { ModelSealError, shown } from '../../errors.ts'
import type { ModelFormat } from '../../results.ts'
import type { PossibleFormats } from '../../policy/matching/match.ts'

/** The formats that the program says it may load; empty if it says none. */
export function saidFormats(format: ModelFormat | PossibleFormats | undefined): readonly ModelFormat[] {
  if (format === undefined) return []
  return typeof format === 'object' ? format.oneOf : [format]
}

/** Ensures that the model has a format for which the rule was chosen. */
export class LoadedFormat {
  readonly #allowed: readonly ModelFormat[]
  readonly #place: string
  readonly #mustSay: boolean
  #said = false

  /**
   * @param allowed the formats for which the rule was chosen
   * @param said the formats that the program says it may load; empty if it says nothing
   */
  constructor(allowed: readonly ModelFormat[], said: readonly ModelFormat[], place: string) {
    this.#allowed = allowed
    this.#mustSay = said.length > 1
    this.#place = place
  }

  /** @throws {@link ModelSealError} `MODEL_FORMAT` */
  loads(format: ModelFormat): void {
    if (this.#allowed.length > 0 && !this.#allowed.includes(format)) throw this.#refusal(shown(format))
    this.#said = true
  }

  /** @throws {@link ModelSealError} `MODEL_FORMAT` if a loader of several formats did not report which one it found */
  check(): void {
    if (this.#mustSay && !this.#said) throw this.#refusal('a loader that does not report the format')
  }

  #refusal(found: string): ModelSealError {
    return new ModelSealError(
      'MODEL_FORMAT',
      `Cannot load the model ${shown(this.#place)}: its format is not the one that selected the rule.`,
      {
        file: this.#place,
        expected: this.#allowed.map(shown).join(' or '),
        found,
        hint: 'Load it with the function for its format, or use the option "format".',
      },
    )
  }
}
