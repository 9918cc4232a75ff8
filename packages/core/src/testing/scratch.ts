import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect, onTestFinished } from 'vitest'
import type { ErrorCode } from '../errors.ts'

/** An empty directory of one test, with the given files in it; it goes when the test ends. */
export function scratch(files: Readonly<Record<string, string | Uint8Array>> = {}): string {
  const directory = mkdtempSync(join(realpathSync(tmpdir()), 'modelseal-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true })
    writeFileSync(join(directory, name), content)
  }
  return directory
}

/** What a refusal looks like: of our own class, with exactly this code. */
export function refusal(code: ErrorCode, details: object = {}): unknown {
  return expect.objectContaining({ name: 'ModelSealError', code, ...details })
}
