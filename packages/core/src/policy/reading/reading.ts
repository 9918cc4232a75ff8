import type { ModelSealError } from '../../errors.ts'
import type { PolicyText } from './policy-text.ts'

/** What the files of a policy are read into: one for all of them. */
export interface Reading {
  problems: ModelSealError[]
  /** All files that the policy rests on, each as it was just before it was read. */
  files: Map<string, string>
}

/** Where a file of a policy stands: what its faults and relative paths are told by. */
export interface SourceText {
  text: PolicyText
  /** What its relative paths are relative to: absolute. */
  directory: string
}
