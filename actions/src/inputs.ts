import { getInput } from '@actions/core'
import { ModelSealError } from '@modelseal/core/errors'

/** @throws {@link ModelSealError} `INVALID_ARGUMENT` if the step does not give it */
export function requiredInput(name: string): string {
  const value = optionalInput(name)
  if (value !== undefined) return value
  throw new ModelSealError('INVALID_ARGUMENT', `The input "${name}" is missing.`, {
    hint: `Write it under "with" in the step.`,
  })
}

/** Runners pass inputs that a step does not give as empty texts. */
export function optionalInput(name: string): string | undefined {
  return getInput(name) || undefined
}

/** A private Sigstore instance that distributes its root by TUF. */
export function tufInstance(): { tufUrl: string; tufRoot: string } | undefined {
  const [tufUrl, tufRoot] = [optionalInput('tuf-url'), optionalInput('tuf-root')]
  if (tufUrl !== undefined && tufRoot !== undefined) return { tufUrl, tufRoot }
  if (tufUrl === undefined && tufRoot === undefined) return undefined
  throw new ModelSealError('INVALID_ARGUMENT', 'The inputs "tuf-url" and "tuf-root" must be given together.')
}
