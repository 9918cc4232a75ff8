export { loadVerifiedModel, type LoadedModel, type LoadOptions } from './load-verified-model.ts'
export { createSession, verified } from './verified.ts'
export type { ModelEntry, OnnxRuntime } from './open-onnx.ts'
export { ModelSealError, type ErrorCode, type OpenOptions, type Verdict } from '@modelseal/core'
