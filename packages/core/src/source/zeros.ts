/** As many zeros as are looked for at a time: no piece of a file that is copied is longer. */
const ZEROS = new Uint8Array(256 * 1024)

/** The comparison ends at the first byte that is none, so it costs nothing where there is one. A longer chunk counts as not zero. */
export function isZero(chunk: Uint8Array): boolean {
  return chunk.length <= ZEROS.length && Buffer.compare(chunk, ZEROS.subarray(0, chunk.length)) === 0
}
