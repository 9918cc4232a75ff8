import type { FileHandle } from 'node:fs/promises'
import { setImmediate } from 'node:timers'
import { checkLine, readLines } from '@modelseal/core/journal'

/** Complete lines: number, bytes, and the check of the last. */
export interface Lines {
  records: number
  bytes: number
  check: string
}

/** The complete lines of a segment up to an offset, as long as each follows the one before it. */
export async function linesUpTo(handle: FileHandle, offset: number, id: string): Promise<Lines> {
  let found: Lines = { records: 0, bytes: 0, check: id }
  for await (const { lines } of readLines(handle, 0, offset)) {
    for (const line of lines) {
      const checked = checkLine(line, found.check)
      if (!('text' in checked)) return found
      found = { records: found.records + 1, bytes: found.bytes + line.length + 1, check: checked.check }
    }
    await turn()
  }
  return found
}

/** Lets other requests have their turn. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
