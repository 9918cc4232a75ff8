import { ModelSealError, shown } from '@modelseal/core'

/** Options of tf's loaders with which something else than the verified bytes would be loaded. */
const REDIRECTING = ['weightPathPrefix', 'weightUrlConverter', 'fetchFunc', 'requestInit', 'fromTFHub']

/** A copy of the caller's options, so that what was checked is what tf gets. */
export interface CheckedLoadOptions {
  onProgress?: (fraction: number) => void
}

/** @throws {@link ModelSealError} `INVALID_ARGUMENT` */
export function checkedLoadOptions(given: unknown): CheckedLoadOptions {
  if (given === undefined || given === null) return {}
  if (typeof given !== 'object')
    throw new ModelSealError('INVALID_ARGUMENT', 'The load options are not an object.', { found: typeof given })
  const options: Record<string, unknown> = { ...given }
  for (const name of REDIRECTING) {
    if (options[name] === undefined || options[name] === null || options[name] === false) continue
    throw new ModelSealError('INVALID_ARGUMENT', `The load option ${shown(name)} cannot be used here.`, {
      hint: 'A verified model is loaded from its signed files only; leave the option out.',
    })
  }
  return options
}
