/** Most zeros that are compared at a time: files are copied in pieces that are no longer. */
const ZEROS = new Uint8Array(256 * 1024)

/** The comparison ends at the first byte that is not zero, so it costs next to nothing for other content. A longer chunk counts as not zero. */
export function isZero(chunk: Uint8Array): boolean {
  return chunk.length <= ZEROS.length && Buffer.compare(chunk, ZEROS.subarray(0, chunk.length)) === 0
}
