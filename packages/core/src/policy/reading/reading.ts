import type { ModelSealError } from '../../errors.ts'

/** What the files of a policy are read into: one for all of them. */
export interface Reading {
  problems: ModelSealError[]
  /** All files that the policy rests on, each as it was just before it was read. */
  files: Map<string, string>
}
