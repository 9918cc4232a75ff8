import { Random } from './mutate.ts'

/** Cuts bytes in a way that a number chooses. Some pieces are empty; for 0, there is one. */
export function cut(bytes: Uint8Array, how: number): Uint8Array[] {
  if (how === 0) return [bytes]
  const random = new Random(how)
  const longest = 1 + random.below(random.below(4) === 0 ? 400 : 9)
  const pieces: Uint8Array[] = []
  for (let at = 0; at < bytes.length;) {
    const length = random.below(longest + 1)
    pieces.push(bytes.subarray(at, at + length))
    at += length
  }
  return pieces
}

/** The pieces as they would come from a source, each when it is asked for. */
export async function* arriving(pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  for (const piece of pieces) yield await Promise.resolve(piece)
}
