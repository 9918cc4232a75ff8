// For programs with several copies of onnxruntime-node or their own build: the entry
// `@modelseal/onnxruntime/any-runtime` imports no runtime; the caller passes the one to load into.
export {
  createOpened,
  createVerified,
  keepSession,
  type CreatedSession,
  type OnnxLoad,
  type OnnxRuntime,
} from './open-onnx.ts'
export { createFromMemory } from './create-from-memory.ts'
export { createFromHandedOut, createFromPlaced, type HandedOutModel, type PlacedModel } from './create-handed-out.ts'
