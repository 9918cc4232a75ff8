import type { ModelSealError } from '../../errors.ts'
import type { PolicyText } from './policy-text.ts'

/** Collects the problems and states of all files of a policy while they are read. */
export interface Reading {
  problems: ModelSealError[]
  /** The state of every file that the policy depends on, taken just before it was read. */
  files: Map<string, string>
}

/** A file of a policy: its text, for positions, and its directory, for relative paths. */
export interface SourceText {
  text: PolicyText
  /** Absolute path that relative paths in the file start from. */
  directory: string
}
