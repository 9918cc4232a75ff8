/** The longest chunk to compare. Files are copied in pieces of at most this size. */
const ZEROS = new Uint8Array(256 * 1024)

/**
 * True if a chunk contains only zeros. Stops at the first other byte, so it costs next to nothing for other content.
 * False for a chunk longer than {@link ZEROS}.
 */
export function isZero(chunk: Uint8Array): boolean {
  return chunk.length <= ZEROS.length && Buffer.compare(chunk, ZEROS.subarray(0, chunk.length)) === 0
}
