/** Two contents of which no four bytes are equal, or at another place in either: each counts, one of them from its end. */
export function countedContents(size: number): { good: Buffer; evil: Buffer } {
  const good = Buffer.alloc(size)
  const evil = Buffer.alloc(size)
  for (let at = 0; at + 4 <= size; at += 4) {
    good.writeUInt32BE(at, at)
    evil.writeUInt32BE(0xffff_ffff - at, at)
  }
  return { good, evil }
}
