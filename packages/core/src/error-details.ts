import type { ErrorCode } from './error-codes.ts'

// Plain values that every floor may use: the parts of an error.

/** One of several problems with a model's files. */
export interface FileProblem {
  code: 'FILE_MISSING' | 'FILE_UNSIGNED' | 'FILE_MISMATCH'
  /** Name relative to the model root. */
  file: string
  expected?: string
  found?: string
}

/** The parts of a `ModelSealError` besides its sentence. */
export interface ErrorDetails {
  /** The file or directory concerned: a path, or a name relative to the model root. */
  file?: string | undefined
  /** Line in the file, from 1; for files that people write. */
  line?: number | undefined
  /** From 1. */
  column?: number | undefined
  /** The signer concerned, by its name in the policy or its fingerprint. */
  signer?: string | undefined
  expected?: string | undefined
  found?: string | undefined
  /** What to do about it, as a sentence. */
  hint?: string | undefined
  /** Everything that is wrong with the model's files, up to 1,000 problems of each `code`. */
  problems?: readonly FileProblem[] | undefined
  cause?: unknown
}

/** The plain form of a `ModelSealError`: for JSON output, events and threads. */
export interface SerializedError extends Omit<ErrorDetails, 'cause'> {
  code: ErrorCode
  message: string
}
