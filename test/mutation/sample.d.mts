/** A part of all mutants. */
export interface Sample {
  readonly percent: number
  readonly seed: string
}

/** A mutant; `fileName` is relative to the root of the repository, `line` and `column` count from 1. */
export interface PlacedMutant {
  readonly fileName: string
  readonly mutatorName: string
  readonly replacement: string
  readonly line: number
  readonly column: number
}

export declare function isSampled(mutant: PlacedMutant, sample: Sample): boolean

export declare function sampleOf(text: string | undefined): Sample | undefined
