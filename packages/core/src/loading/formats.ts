// For adapters, which read what a model's format says of further files: the entry `@modelseal/core/formats`.
export { bytesInMemory, withBytesOfFile, type ByteSource } from '../source/local/byte-source.ts'
export { WireReader } from '../source/local/wire-reader.ts'
export { inTurns, type Steps } from '../source/turns.ts'
