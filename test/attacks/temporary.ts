import { onTestFinished, vi } from 'vitest'
import { scratch } from '../support/models.ts'

/** A directory for temporary files that one test has to itself, to see what is left in it. */
export function ownTemporaryDirectory(): string {
  const directory = scratch()
  vi.stubEnv('TMPDIR', directory)
  onTestFinished(() => void vi.unstubAllEnvs())
  return directory
}
