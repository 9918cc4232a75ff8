/** An entry of external data. If keys or values are repeated, all count. */
export interface ExternalEntry {
  locations: string[]
  /** In bytes; Infinity if it is not a number. */
  offset: number
  length: number
}

/** The shape and type of a tensor. */
export interface TensorValues {
  count: number
  type: number
}

/** How many bytes of an external file a tensor needs, from its beginning. */
export function bytesNeeded(entries: readonly ExternalEntry[], { count, type }: TensorValues): number {
  const offset = Math.max(0, ...entries.map((entry) => entry.offset))
  const length = Math.max(0, ...entries.map((entry) => entry.length))
  // NaN: one dimension is infinite and another is 0.
  const bytes = Number.isNaN(count) ? 0 : count * (VALUE_BYTES[type] ?? MOST_VALUE_BYTES)
  return offset + Math.max(length, bytes)
}

/** onnx.proto: TensorProto.DataType. Other and future types take at most as much as the largest. */
const VALUE_BYTES: Readonly<Record<number, number>> = {
  1: 4, // FLOAT
  2: 1, // UINT8
  3: 1, // INT8
  4: 2, // UINT16
  5: 2, // INT16
  6: 4, // INT32
  7: 8, // INT64
  9: 1, // BOOL
  10: 2, // FLOAT16
  11: 8, // DOUBLE
  12: 4, // UINT32
  13: 8, // UINT64
  14: 8, // COMPLEX64
  16: 2, // BFLOAT16
}
const MOST_VALUE_BYTES = 16
