import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect, onTestFinished } from 'vitest'
import type { ErrorCode } from '../errors.ts'

/** A directory with the given files for one test. It is removed when the test ends. */
export function scratch(files: Readonly<Record<string, string | Uint8Array>> = {}): string {
  const directory = mkdtempSync(join(realpathSync(tmpdir()), 'modelseal-'))
  // Work in the background may still write a file.
  onTestFinished(() => rmSync(directory, { recursive: true, force: true, maxRetries: 3 }))
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true })
    writeFileSync(join(directory, name), content)
  }
  return directory
}

/** Matches a ModelSealError with exactly this code. */
export function refusal(code: ErrorCode, details: object = {}): unknown {
  return expect.objectContaining({ name: 'ModelSealError', code, ...details })
}

/** What the refusal of a field of JSON says. */
export function field(path: string, expected: string, found: string): object {
  return { message: expect.stringContaining(`Invalid field "${path}". Expected`) as string, expected, found }
}
