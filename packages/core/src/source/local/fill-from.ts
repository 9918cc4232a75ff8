import { readSync } from 'node:fs'

/** Fills `into` from a file unless it ends first. @returns the number of bytes read */
export function fillFrom(fd: number, into: Uint8Array, position: number): number {
  let done = 0
  while (done < into.length) {
    const count = readSync(fd, into, done, into.length - done, position + done)
    if (count === 0) break
    done += count
  }
  return done
}
