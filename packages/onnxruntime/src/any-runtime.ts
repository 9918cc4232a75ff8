// For programs that have several copies of onnxruntime-node, or one of their own: the entry
// `@modelseal/onnxruntime/any-runtime` imports none, and is told into which to load.
export { createOpened, createVerified, type CreatedSession, type OnnxLoad, type OnnxRuntime } from './open-onnx.ts'
export { createFromMemory } from './create-from-memory.ts'
export { createFromHandedOut, createFromPlaced, type HandedOutModel, type PlacedModel } from './create-handed-out.ts'
