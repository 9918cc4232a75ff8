export { loadVerifiedModel, type LoadedModel, type LoadOptions } from './load-verified-model.ts'
export { ModelSealError, type ErrorCode, type Verdict } from '@modelseal/core'
