// For callers that judge models in another way: the entry `@modelseal/tfjs/any-runtime`.
export { loadOpened, tfLoad, type LoadedByTf, type TfLoad } from './tf-load.ts'
export type { TensorFlow } from './open-artifacts.ts'
