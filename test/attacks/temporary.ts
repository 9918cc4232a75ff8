import { onTestFinished, vi } from 'vitest'
import { scratch } from '../support/models.ts'

/** A directory for the temporary files of one test, to check what is left in it. */
export function ownTemporaryDirectory(): string {
  const directory = scratch()
  vi.stubEnv('TMPDIR', directory)
  onTestFinished(() => void vi.unstubAllEnvs())
  return directory
}
