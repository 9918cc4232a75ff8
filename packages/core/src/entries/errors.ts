/**
 * The error class and its codes alone, for code that must load as little as possible.
 *
 * @example
 * ```ts
 * import { ModelSealError } from '@modelseal/core/errors'
 *
 * const isRevoked = (error: unknown) => error instanceof ModelSealError && error.code === 'MODEL_REVOKED'
 * ```
 *
 * @packageDocumentation
 */
export {
  ERROR_CODES,
  ModelSealError,
  sentenceOf,
  shown,
  type ErrorCode,
  type ErrorDetails,
  type FileProblem,
  type SerializedError,
} from '../errors.ts'
