import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { ModelSealError, shown } from '../errors.ts'
import { writeFailed } from './write-file.ts'

const FILE = { what: 'attestation', failed: 'FILE_WRITE_FAILED', mode: 0o644 } as const
const LINE_FEED = 0x0a
const FLAGS =
  constants.O_RDWR |
  constants.O_APPEND |
  constants.O_CREAT |
  ((constants.O_NOFOLLOW as number | undefined) ?? 0) |
  constants.O_NONBLOCK

/**
 * Adds a line to a file, or creates the file. Several processes can add lines at the same time: each line is written by one call, which
 * appends. If the last line was cut short, the new one begins on a line of its own.
 *
 * @param line without line feeds
 * @throws {@link ModelSealError} `FILE_WRITE_FAILED`, after which the file is as before
 */
export async function appendLine(path: string, line: Uint8Array): Promise<void> {
  try {
    const handle = await open(path, FLAGS, FILE.mode)
    try {
      const before = await handle.stat()
      if (!before.isFile())
        throw new ModelSealError(
          'FILE_WRITE_FAILED',
          `Cannot add the attestation to ${shown(path)}: it is not a regular file.`,
          { file: path, hint: 'Remove it, or add the attestation to another file.' },
        )
      const last = Buffer.alloc(1)
      const { bytesRead } = before.size > 0 ? await handle.read(last, 0, 1, before.size - 1) : { bytesRead: 0 }
      const isCut = bytesRead === 1 && last[0] !== LINE_FEED
      const bytes = Buffer.concat([Buffer.from(isCut ? '\n' : ''), line, Buffer.from('\n')])
      const { bytesWritten } = await handle.write(bytes)
      if (bytesWritten < bytes.length) {
        // Unless someone else has added a line behind it, which then begins on a line of its own.
        const { size } = await handle.stat()
        if (size === before.size + bytesWritten) await handle.truncate(before.size)
        throw new Error(`only ${bytesWritten} of ${bytes.length} bytes could be written`)
      }
      await handle.sync()
    } finally {
      await handle.close()
    }
  } catch (cause) {
    if (cause instanceof ModelSealError) throw cause
    throw writeFailed(path, FILE, cause)
  }
}
