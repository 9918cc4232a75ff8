import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { ACCEPTED, REFUSED, signByMethods } from '../support/signed-by-methods.ts'

declare module 'vitest' {
  interface ProvidedContext {
    signed: { models: string; accepted: string[]; refused: Record<string, object> }
  }
}

/** Signs the models outside the pools. */
export default async function setup({ provide }: TestProject): Promise<() => void> {
  const models = mkdtempSync(join(realpathSync(tmpdir()), 'modelseal-pools-'))
  await signByMethods(models)
  provide('signed', { models, accepted: [...ACCEPTED], refused: REFUSED })
  return () => rmSync(models, { recursive: true, force: true })
}
