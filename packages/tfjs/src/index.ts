export { loadVerifiedModel, type LoadedModel, type LoadOptions } from './load-verified-model.ts'
export { verified, type VerifiedLoaders } from './verified.ts'
export type { TensorFlow } from './open-artifacts.ts'
export { ModelSealError, type ErrorCode, type HttpOptions, type OpenOptions, type Verdict } from '@modelseal/core'
