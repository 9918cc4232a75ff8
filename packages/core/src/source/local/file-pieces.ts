import type { FileHandle } from 'node:fs/promises'

/**
 * Reads a part of a file, up to its end at most.
 *
 * @param pieceBytes of each piece but the last
 */
export async function* filePieces(
  handle: FileHandle,
  { start, end }: { readonly start: number; readonly end: number },
  pieceBytes: number,
): AsyncGenerator<Uint8Array> {
  for (let position = start; position < end;) {
    const piece = Buffer.allocUnsafeSlow(Math.min(pieceBytes, end - position))
    const { bytesRead } = await handle.read(piece, 0, piece.length, position)
    if (bytesRead === 0) return
    position += bytesRead
    yield piece.subarray(0, bytesRead)
  }
}
