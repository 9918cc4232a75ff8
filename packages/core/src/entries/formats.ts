/**
 * For adapters that read a model's format to learn which further files it refers to: windows of large files, Protocol Buffers at the
 * level of the wire, and long work in turns with the event loop.
 *
 * @example
 * ```ts
 * import { bytesInMemory, inTurns, WireReader } from '@modelseal/core/formats'
 * ```
 *
 * @packageDocumentation
 */
export { bytesInMemory, withBytesOfFile, type ByteSource } from '../source/local/byte-source.ts'
export { WireReader } from '../source/local/wire-reader.ts'
export { inTurns, type Steps } from '../source/turns.ts'
