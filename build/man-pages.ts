import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

/** Writes the man pages of the program beside it. They come from its source, which Node.js runs without a build. */
export async function writeManPages(): Promise<void> {
  await promisify(execFile)(process.execPath, ['--no-warnings', '../../build/write-man-pages.mjs'])
}
