export { attestationsOf, verdictOf, verified, type VerifiedOptions } from './verified.ts'
export type { Loaders, Transformers } from './library.ts'
export { ModelSealError, type ErrorCode, type OpenOptions, type Verdict } from '@modelseal/core'
